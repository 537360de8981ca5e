"""What `import forewalk as fw` leads to: the verbs as functions, and results that a notebook can show."""
