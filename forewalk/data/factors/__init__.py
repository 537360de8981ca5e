"""Returns of factors from a file of the user's, which the account is measured against."""
