"""What an exception is told as."""

import errno
import os

import pytest

from retrieval import EndpointError, InputError, StoreUnavailableError
from retrieval.encoding.endpoint import EndpointRefusedError
from serving.problems import as_api_error


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 503, "disk-full"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), 503, "disk-full"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), 500, "defect"),
        (TimeoutError(), 504, "timeout"),
        (InputError("no"), 422, "invalid-request"),
        (StoreUnavailableError("away"), 503, "milvus-away"),
        (EndpointError("away"), 503, "encoder-away"),
        (EndpointRefusedError("no key"), 503, "encoder-away"),
        (KeyError("x"), 500, "defect"),
    ],
)
def test_an_exception_is_told_as_what_the_caller_can_do(
    error: Exception, status: int, kind: str
) -> None:
    told = as_api_error(error)
    assert (told.status, told.kind) == (status, kind)
    assert ("Retry-After" in told.headers) is (status in (503, 504))
