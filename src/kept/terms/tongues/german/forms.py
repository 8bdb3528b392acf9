# ruff: noqa: E501 — a sentence a line
"""What stands on forms."""

from typing import Final

SAID: Final = {
    "{org} answers for what you send here: {email}, or by letter to {post}.": "{org} ist verantwortlich für das, was Sie hier senden: {email}, oder per Brief an {post}.",
    "What we do with it: {what}.": "Was wir damit tun: {what}.",
    "We may because of an interest: {what}. The interest is {whose}. You can object to it at any time.": "Wir dürfen das wegen eines Interesses: {what}. Wessen Interesse das ist: {whose}. Sie können jederzeit widersprechen.",
    "We may because what you ask for is a contract with us, or leads to one.": "Wir dürfen das, weil das, worum Sie bitten, ein Vertrag mit uns ist oder zu einem führt.",
    "We have to: a law asks for it.": "Wir müssen das: Ein Gesetz verlangt es.",
    "We may only because you agree by sending this. You can take that back at any time, as easily, and then we stop.": "Wir dürfen das nur, weil Sie mit dem Senden zustimmen. Sie können das jederzeit ebenso leicht zurücknehmen; dann hören wir damit auf.",
    "Only if you tick the box: then you agree. You can take that back at any time, as easily, and then we stop. Everything else works without it.": "Nur wenn Sie das Kästchen ankreuzen: Dann stimmen Sie zu. Sie können das jederzeit ebenso leicht zurücknehmen; dann hören wir damit auf. Alles andere geht auch ohne.",
    "Who gets it beside us: {who}.": "Wer es außer uns bekommt: {who}.",
    "Nobody gets it beside us.": "Niemand außer uns bekommt es.",
    "These partners get what you send here, and use it for themselves. Their own privacy policies say how to refuse their messages:": "Diese Partner bekommen, was Sie hier senden, und verwenden es selbst. In deren Datenschutzerklärungen steht, wie Sie ihre Nachrichten ablehnen:",
    "How long we keep it: {what}": "Wie lange wir es behalten: {what}",
    "no longer than we need it for this; our privacy policy says when that ends.": "nicht länger, als wir es dafür brauchen; wann das endet, sagt unsere Datenschutzerklärung.",
    "{length} from today.": "{length} ab heute.",
    "{length} after you last showed an interest.": "{length}, nachdem Sie zuletzt Interesse gezeigt haben.",
    "{length} after it is no longer needed for this.": "{length}, nachdem es dafür nicht mehr gebraucht wird.",
    "{length} after the end of the contract.": "{length} nach dem Ende des Vertrags.",
    "{length} after the matter is closed.": "{length}, nachdem die Sache erledigt ist.",
    "Needed: {why}.": "Nötig: {why}.",
    "You may leave this empty.": "Sie können das leer lassen.",
    "We ask {why}.": "Wir fragen das: {why}.",
    "You have to give this. The law asks for it: {law}.": "Das müssen Sie angeben. Das Gesetz verlangt es: {law}.",
    "The law asks for this: {law}. You may leave it empty.": "Das Gesetz verlangt das: {law}. Sie können es leer lassen.",
    "You have to give this. The contract needs it.": "Das müssen Sie angeben. Der Vertrag braucht es.",
    "The contract needs this. You may leave it empty.": "Der Vertrag braucht das. Sie können es leer lassen.",
    "If you do not give it: {what}.": "Wenn Sie es nicht angeben: {what}.",
    "You can see, correct, take with you and delete what we have of you, and complain to an authority. How, and all the rest, says our privacy policy of {version}.": "Sie können sehen, berichtigen, mitnehmen und löschen, was wir über Sie haben, und sich bei einer Behörde beschweren. Wie das geht und alles Weitere sagt unsere Datenschutzerklärung vom {version}.",
}
