"""boto3 sessions that share the models of AWS's services, and nothing else.

A new boto3 session parses these models again, which takes 0.05 to 0.3 CPU seconds per client; with
a shared loader it takes 0.01. Each session still resolves credentials, profile, region and
endpoints when it is created, so that credentials which rotate in the environment or in ~/.aws are
read again for every run.
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
    """Return a new boto3 session, for one thread; its clients are safe for any number of threads.

    Args:
        profile_name: The profile in ~/.aws; default: boto3's chain.
        region_name: The region; default: boto3's chain.

    Raises:
        ProfileNotFound: the profile does not exist.
    """
    core = botocore.session.get_session()
    # Creating a session changes the shared loader and its search paths.
    with _lock:
        loader = _models(core.get_config_variable("data_path"))
        core.register_component("data_loader", loader)
        session = boto3.session.Session(
            profile_name=profile_name, region_name=region_name, botocore_session=core
        )
        # boto3 adds its own directory for each session; remove the duplicates.
        loader.search_paths[:] = dict.fromkeys(loader.search_paths)
    return session


@functools.cache
def _models(data_path: str | None) -> "Loader":
    """Return the loader of models; `data_path` is the value of AWS_DATA_PATH."""
    return botocore.loaders.create_loader(data_path)
