"""scrapy-redis's filter of duplicates, with a Bloom filter in the place of its set."""

from bloom import Bloom
from scrapy_redis.dupefilter import RFPDupeFilter


class BloomDupeFilter(RFPDupeFilter):
    def __init__(self, server, key, debug=False):
        super().__init__(server, key, debug)
        self.bloom = Bloom(server, key)

    def request_seen(self, request):
        return not self.bloom.add(self.request_fingerprint(request))
