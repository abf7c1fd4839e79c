"""A spider whose queue and filter of duplicates are in the server.

Usage: python -m scrapy runspider spider.py -a site=http://127.0.0.1:8000/ -s REDIS_URL=redis://127.0.0.1:6379/0
"""

import scrapy


class Crawler(scrapy.Spider):
    name = "crawler"
    custom_settings = {
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "SCHEDULER_PERSIST": True,
        "SCHEDULER_IDLE_BEFORE_CLOSE": 1,
        "DUPEFILTER_CLASS": "dupefilter.BloomDupeFilter",
        "CONCURRENT_REQUESTS": 1,
        "TELNETCONSOLE_ENABLED": False,
    }

    async def start(self):
        yield scrapy.Request(self.site)

    def parse(self, response):
        yield from response.follow_all(css="a")
