"""The words that stand around a policy's own on every form, by language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PHRASES: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "who": "{org} answers for what you send here: {email}, or by letter to {post}.",
        "use": "What we do with it: {what}.",
        "interest": "We may because of an interest: {what}. The interest is {whose}. You can"
        " object to it at any time.",
        "contract": "We may because what you ask for is a contract with us, or leads to one.",
        "legal-obligation": "We have to: a law asks for it.",
        "sending": "We may only because you agree by sending this. You can take that back at any"
        " time, as easily, and then we stop.",
        "ticking": "Only if you tick the box: then you agree. You can take that back at any"
        " time, as easily, and then we stop. Everything else works without it.",
        "recipients": "Who gets it beside us: {who}.",
        "nobody": "Nobody gets it beside us.",
        "partners": "These partners get what you send here, and use it for themselves. Their own"
        " privacy policies say how to refuse their messages:",
        "kept": "How long we keep it: {what}",
        "period.open": "no longer than we need it for this; our privacy policy says when that"
        " ends.",
        "unit.Y": "{count} year",
        "unit.Ys": "{count} years",
        "unit.M": "{count} month",
        "unit.Ms": "{count} months",
        "unit.D": "{count} day",
        "unit.Ds": "{count} days",
        "clock.creation": "{length} from today.",
        "clock.last_interest": "{length} after you last showed an interest.",
        "clock.need_closed": "{length} after it is no longer needed for this.",
        "clock.contract_end": "{length} after the end of the contract.",
        "clock.closed": "{length} after the matter is closed.",
        "needed": "Needed: {why}.",
        "optional": "You may leave this empty.",
        "why": "We ask {why}.",
        "law.must": "You have to give this. The law asks for it: {law}.",
        "law.may": "The law asks for this: {law}. You may leave it empty.",
        "contract.must": "You have to give this. The contract needs it.",
        "contract.may": "The contract needs this. You may leave it empty.",
        "otherwise": "If you do not give it: {what}.",
        "rights": "You can see, correct, take with you and delete what we have of you, and"
        " complain to an authority. How, and all the rest, says our privacy policy of {version}.",
    },
    "de": {
        "who": "{org} ist verantwortlich für das, was Sie hier senden: {email}, oder per Brief"
        " an {post}.",
        "use": "Was wir damit tun: {what}.",
        "interest": "Wir dürfen das wegen eines Interesses: {what}. Wessen Interesse das ist:"
        " {whose}. Sie können jederzeit widersprechen.",
        "contract": "Wir dürfen das, weil das, worum Sie bitten, ein Vertrag mit uns ist oder zu"
        " einem führt.",
        "legal-obligation": "Wir müssen das: Ein Gesetz verlangt es.",
        "sending": "Wir dürfen das nur, weil Sie mit dem Senden zustimmen. Sie können das"
        " jederzeit ebenso leicht zurücknehmen; dann hören wir damit auf.",
        "ticking": "Nur wenn Sie das Kästchen ankreuzen: Dann stimmen Sie zu. Sie können das"
        " jederzeit ebenso leicht zurücknehmen; dann hören wir damit auf. Alles andere geht auch"
        " ohne.",
        "recipients": "Wer es außer uns bekommt: {who}.",
        "nobody": "Niemand außer uns bekommt es.",
        "partners": "Diese Partner bekommen, was Sie hier senden, und verwenden es selbst. In"
        " deren Datenschutzerklärungen steht, wie Sie ihre Nachrichten ablehnen:",
        "kept": "Wie lange wir es behalten: {what}",
        "period.open": "nicht länger, als wir es dafür brauchen; wann das endet, sagt unsere"
        " Datenschutzerklärung.",
        "unit.Y": "{count} Jahr",
        "unit.Ys": "{count} Jahre",
        "unit.M": "{count} Monat",
        "unit.Ms": "{count} Monate",
        "unit.D": "{count} Tag",
        "unit.Ds": "{count} Tage",
        "clock.creation": "{length} ab heute.",
        "clock.last_interest": "{length}, nachdem Sie zuletzt Interesse gezeigt haben.",
        "clock.need_closed": "{length}, nachdem es dafür nicht mehr gebraucht wird.",
        "clock.contract_end": "{length} nach dem Ende des Vertrags.",
        "clock.closed": "{length}, nachdem die Sache erledigt ist.",
        "needed": "Nötig: {why}.",
        "optional": "Sie können das leer lassen.",
        "why": "Wir fragen das: {why}.",
        "law.must": "Das müssen Sie angeben. Das Gesetz verlangt es: {law}.",
        "law.may": "Das Gesetz verlangt das: {law}. Sie können es leer lassen.",
        "contract.must": "Das müssen Sie angeben. Der Vertrag braucht es.",
        "contract.may": "Der Vertrag braucht das. Sie können es leer lassen.",
        "otherwise": "Wenn Sie es nicht angeben: {what}.",
        "rights": "Sie können sehen, berichtigen, mitnehmen und löschen, was wir über Sie haben,"
        " und sich bei einer Behörde beschweren. Wie das geht und alles Weitere sagt unsere"
        " Datenschutzerklärung vom {version}.",
    },
}  # fmt: skip
