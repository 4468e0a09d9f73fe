"""The Arctic Shift source: a public archive of Reddit with an API that needs no credentials.

What is relied on here is documented in ``api/README.md`` of github.com/ArthurHeitmann/arctic_shift. Its limits are kept
to, and told: it searches only within subreddits, it refuses or times out on keywords in very active ones, and in the
first 36 hours scores and counts of comments are not final.
"""

from lead_assets.sources.arctic_shift.queries import require_subreddits
from lead_assets.sources.arctic_shift.source import ARCTIC_SHIFT_URL, ArcticShiftSource

__all__ = ["ARCTIC_SHIFT_URL", "ArcticShiftSource", "require_subreddits"]
