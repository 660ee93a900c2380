"""The demo: a pair of data sets, the jobs, and the promises that their report is checked against."""
