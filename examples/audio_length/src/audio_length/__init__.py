"""How long the audio file at a URL plays: a task of Warren's, in a package of its own.

    tasks      the task
    settings   what an administrator decides
    web        parts of a URL's file, over Warren's transport for users' URLs
    remote     a file that is read over the web as far as it is looked at
    formats    what a file says about its length (tinytag)

Forbidden here: any other way to a user's URL than `warren.outbound`.
"""
