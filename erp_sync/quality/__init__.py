"""Quality gates: Great Expectations suites declared beside their flow, judged here.

Row rules name the rows that break them; batch rules judge the batch as a whole.
"""
