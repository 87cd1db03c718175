"""A thousand random edits of the sample project, each checked, built and talked to: what does `validate` miss?"""
