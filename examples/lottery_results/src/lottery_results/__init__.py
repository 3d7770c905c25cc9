"""The draws that a lottery's results page shows: a task of Warren's, in a package of its own.

    tasks      the task
    settings   which page
    web        the page, over Warren's transport for users' URLs
    page       from the page's text to draws (selectolax): what to change for another page
    draw       a draw

Forbidden here: any other way to the page than `warren.outbound`.
"""
