"""The hands: take jobs from the record and run each in a supervised process. Imports no torch."""
