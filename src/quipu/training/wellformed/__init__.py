"""A judge of questions: would people call this a well-formed question?"""
