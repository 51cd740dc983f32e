"""Families of formats that say nothing of detection: tables and trees, as a specification declares.

None of them claims a file by itself: what a row means, and that the order of
rows means nothing, is the auditor's word in `[[databases]]`.
"""
