"""What a person allowed, in her own hands: seen, taken back and given again without an account.

By the link alone she can only narrow; a yes takes a code that goes to her address.
"""

from kept.duties.preferences import changing, checks, letters, receipt, shown

__all__ = ["changing", "checks", "letters", "receipt", "shown"]
