"""What the server remembers, in one database: jobs, people, teams, keys, what was done."""
