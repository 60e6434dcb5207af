"""The reranker: does this stored pair answer this question? (RePAQ's second stage.)"""
