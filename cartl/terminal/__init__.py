"""What the commands show: tables, the page of a job at work, answers as JSON or in their short form."""
