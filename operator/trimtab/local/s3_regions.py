"""What S3 answers a request for a bucket of another region. Pure.

An SDK follows it by the region in the header, signs anew and asks again; what cannot follow is told where the bucket is.
Source: Amazon S3 User Guide, "Making requests": "Request redirection and the REST API"; Amazon S3 API, error responses
(PermanentRedirect, 301).
"""

from xml.sax.saxutils import escape

from trimtab.local.protocol import Operation, Response

_ANYWHERE = ("CreateBucket", "GetBucketLocation", "ListBuckets")  # asked of one region about another


def is_bound(operation: Operation) -> bool:
    """Whether an operation is answered by the region of the bucket alone."""
    return operation.service == "s3" and operation.name not in _ANYWHERE


def redirect(method: str, bucket: str, there: str, request_id: str) -> Response:
    """Say where it is."""
    told = "The bucket you are attempting to access must be addressed using the specified endpoint."
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>PermanentRedirect</Code><Message>{told}</Message>'
        f"<Endpoint>{escape(bucket)}.s3.{there}.amazonaws.com</Endpoint><Bucket>{escape(bucket)}</Bucket>"
        f"<RequestId>{request_id}</RequestId></Error>"
    ).encode()
    body = b"" if method == "HEAD" else body
    headers = (
        ("Content-Type", "application/xml"),
        ("x-amz-bucket-region", there),
        ("x-amz-request-id", request_id),
        ("Content-Length", str(len(body))),
    )
    return Response(301, headers, body)
