"""An S3 server on loopback with one bucket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

OPTIONS = {"region": "us-east-1", "access_key_id": "test", "secret_access_key": "test"}


@contextmanager
def bucket_server() -> Iterator[str]:
    """Serve an empty bucket `chat`; yield the server's address.

    It answers one request at a time: moto checks whether a file exists and writes it in two steps, S3 in one.
    """
    import boto3

    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=False, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys).create_bucket(Bucket="chat")
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
