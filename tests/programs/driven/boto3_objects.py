"""boto3, against an endpoint of this machine: objects put and got by greenlets,
and an upload in parts, which boto3 makes in threads."""

import io
import sys

from gevent import monkey

monkey.patch_all()

import boto3  # noqa: E402
import botocore.config  # noqa: E402
import gevent  # noqa: E402
from boto3.s3.transfer import TransferConfig  # noqa: E402

client = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
    region_name="here",
    aws_access_key_id="a",
    aws_secret_access_key="b",
    config=botocore.config.Config(
        s3={"addressing_style": "path"}, max_pool_connections=10
    ),
)


def there_and_back(n: int) -> int:
    client.put_object(Bucket="shelf", Key=f"o{n}", Body=b"x" * n * 1000)
    return len(client.get_object(Bucket="shelf", Key=f"o{n}")["Body"].read())


jobs = [gevent.spawn(there_and_back, n) for n in range(1, 31)]
gevent.joinall(jobs, raise_error=True)
print("objects", sum(job.value for job in jobs))

try:
    client.get_object(Bucket="shelf", Key="nothing")
except client.exceptions.NoSuchKey as error:
    print(type(error).__name__)

size = 12 * 1024 * 1024
parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
client.upload_fileobj(io.BytesIO(b"y" * size), "shelf", "big", Config=parts)
got = io.BytesIO()
client.download_fileobj("shelf", "big", got, Config=parts)
print("in parts", got.getvalue() == b"y" * size)
