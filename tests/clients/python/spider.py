"""Follows every link of the site that its settings name, with its queue and its seen-set in the server."""

import scrapy
from scrapy import signals


class Crawler(scrapy.Spider):
    name = "crawler"

    @classmethod
    def from_crawler(cls, crawler, *args, **kwargs):
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider.site = crawler.settings["SITE"]
        crawler.signals.connect(spider.resume, signal=signals.spider_opened)
        return spider

    def resume(self):
        self.logger.info("crawling %s", self.site)

    async def start(self):
        yield scrapy.Request(self.site + "/0")

    def parse(self, response):
        for link in response.css("a::attr(href)").getall():
            page = int(link.rsplit("/", 1)[1])
            yield response.follow(link, priority=page % 10)
