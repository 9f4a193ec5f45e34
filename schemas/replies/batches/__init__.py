"""The replies of files and batches, and the lines of a batch's results."""
