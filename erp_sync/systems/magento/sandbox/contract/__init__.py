"""The part of Magento's published REST contract that this sandbox speaks, and its use.

`rest-2.4.8.json` is cut out of the vendor's Swagger by `make.py`; its `info.x-origin` says from where.
"""
