"""boto3 sessions that share the models of AWS's services, and nothing else.

A session by itself reads and parses these models again for each: 0.05 to 0.3 CPU seconds a
client, where a client of a session from here costs 0.01. Each session still resolves credentials,
profile, region and endpoints for itself, when it is made: what rotates in the environment or in
~/.aws is read anew for every run, as with sessions of boto3's own. Which clients are made of a
session is the resources' business.
"""

import functools
import threading
from typing import TYPE_CHECKING

import boto3
import botocore.loaders
import botocore.session

if TYPE_CHECKING:
    from botocore.loaders import Loader

_lock = threading.Lock()


def new_session(
    profile_name: str | None = None, region_name: str | None = None
) -> boto3.session.Session:
    """Return a new boto3 session; for one thread, while clients made of it are for any number.

    Args:
        profile_name: The profile in ~/.aws; by default what boto3's chain says.
        region_name: The region; by default what boto3's chain says.

    Raises:
        ProfileNotFound: there is no such profile.
    """
    core = botocore.session.get_session()
    # Loaders and their paths change while a session is made.
    with _lock:
        loader = _models(core.get_config_variable("data_path"))
        core.register_component("data_loader", loader)
        session = boto3.session.Session(
            profile_name=profile_name, region_name=region_name, botocore_session=core
        )
        # boto3 adds a directory of its own for each session; once is enough.
        loader.search_paths[:] = dict.fromkeys(loader.search_paths)
    return session


@functools.cache
def _models(data_path: str | None) -> "Loader":
    """Return the loader of models; `data_path` is what AWS_DATA_PATH says."""
    return botocore.loaders.create_loader(data_path)
