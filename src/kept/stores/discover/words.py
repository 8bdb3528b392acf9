"""What columns are called in many languages, and the term of the vocabulary that it means.

Here in English, German, French, Spanish, Italian, Portuguese, Dutch and Polish; the words are ours.
What further languages say for a `term` stands in `tongues`.
Each line of a list is one way to say it; words of several tokens may stand glued together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from kept.stores.discover import names, tongues
from kept.stores.discover.names import Words, listed

#: Detail of what proves who somebody is: no answer hands it out.
LOG_IN: Final = "what proves who logs in"
#: Detail of dates of birth.
BORN: Final = "date of birth"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A term of the vocabulary as columns say it.

    `always`: personal wherever it stands; else only in rows that belong to people. `shape` is
    what values of it look like (`values.Look`), `types` the column types it can have, `weak`:
    the word says little by itself. `shy`: it says nothing unless the values have the shape.
    """

    category: str
    ways: str
    identifies: str | None = None
    detail: str | None = None
    always: bool = False
    shape: str | None = None
    types: tuple[str, ...] = ("text", "other")
    weak: bool = False
    free_text: bool = False
    term: str | None = None
    shy: bool = False


_ANY: Final = ("text", "other", "integer", "decimal", "real", "date", "datetime", "uuid", "json",
               "boolean", "bytes")  # fmt: skip
_DATES: Final = ("date", "datetime", "text", "other", "integer")

_SPOKEN: Final[tuple[Meaning, ...]] = (
    Meaning(
        "contact.email",
        "email, e mail, mail, mailadresse, email adresse, courriel, correo, correo electronico, "
        "posta elettronica, endereco email, epost, adres email, mail address",
        identifies="email", always=True, shape="email", term="email",
    ),
    Meaning(
        "contact.phone",
        "phone, telephone, tel, mobile, mobile number, cell, cellphone, fax, msisdn, whatsapp, "
        "telefon, telefonnummer, handy, handynummer, mobil, rufnummer, faxnummer, telecopie, "
        "numero telephone, telefono, movil, celular, cellulare, telefone, telemovel, telefoon, "
        "telefoonnummer, mobiel, komorka, numer telefonu, phonenumber, telnr",
        identifies="phone", always=True, shape="phone", types=("text", "other", "integer"),
        term="phone",
    ),
    Meaning(
        "contact.name",
        "first name, last name, middle name, full name, given name, family name, maiden name, "
        "surname, forename, real name, display name, vorname, nachname, familienname, "
        "geburtsname, prenom, nom famille, nom complet, apellido, cognome, sobrenome, apelido, "
        "primer nombre, nombre completo, voornaam, achternaam, tussenvoegsel, imie, nazwisko, "
        "fname, lname, firstname, lastname, fullname, contact name, customer name, person name, "
        "author name, card holder, cardholder, recipient name, ship name, contact person",
        always=True, shape="name", term="name",
    ),
    Meaning(
        "contact.name",
        "name, nom, nombre, nome, naam, nazwa, given, family, nickname, initials, "
        "salutation, anrede, civilite, tratamiento, aanhef, suffix, spitzname, legal name, "
        "name on card",
        shape="name", term="named",
    ),
    Meaning(
        "contact.address",
        "street, street address, address line, house number, zip, zip code, zipcode, postal code, "
        "postcode, postalcode, mailing address, home address, billing address, shipping address, "
        "delivery address, ship address, strasse, hausnummer, plz, postleitzahl, wohnort, "
        "anschrift, rue, code postal, direccion, calle, codigo postal, indirizzo, cap, endereco, "
        "rua, cep, morada, straat, huisnummer, woonplaats, ulica, kod pocztowy, "
        "numer domu, adres, adresse, address, addr, line1, line2, address1, address2, bairro",
        types=("text", "other", "integer"), term="address",
    ),
    Meaning(
        "contact.address",
        "city, town, state, province, region, county, country, country code, district, ort, "
        "stadt, land, bundesland, kanton, ville, pays, departement, ciudad, pais, provincia, "
        "estado, poblacion, citta, paese, comune, cidade, distrito, municipio, plaats, gemeente, "
        "stad, miasto, kraj, wojewodztwo, powiat, locality, suburb, municipality",
        weak=True, term="place",
    ),
    Meaning(
        "contact.job",
        "job title, job, occupation, profession, beruf, berufsbezeichnung, poste, metier, puesto, "
        "cargo, ocupacion, mansione, professione, profissao, functie, beroep, stanowisko, zawod, "
        "position, hire date, hired on, eintrittsdatum, einstellungsdatum, salary, wage, gehalt, "
        "lohn, salaire, salario, sueldo, stipendio, salaris, loon, wynagrodzenie, pensja",
        types=_ANY, weak=True, term="job",
    ),
    Meaning(
        "contact.company",
        "company, company name, organization, organisation, employer, firma, firmenname, "
        "unternehmen, arbeitgeber, entreprise, societe, raison sociale, empresa, razon social, "
        "azienda, societa, ragione sociale, bedrijf, bedrijfsnaam, organisatie, werkgever, "
        "przedsiebiorstwo, nazwa firmy, pracodawca, affiliation",
        weak=True, term="company",
    ),
    Meaning(
        "contact",
        "birth date, birthdate, date of birth, dob, birthday, born, born on, geboren, "
        "geburtsdatum, geburtstag, date naissance, naissance, fecha nacimiento, nacimiento, "
        "data nascita, nascita, data nascimento, nascimento, geboortedatum, geboorte, "
        "data urodzenia, urodzenia, birth year, year of birth",
        detail=BORN, always=True, shape="past-life", types=_DATES, term="born",
    ),
    Meaning(
        "contact",
        "gender, sex, geschlecht, sexe, sexo, sesso, geslacht, plec, marital status, "
        "familienstand, etat civil, estado civil, stato civile, burgerlijke staat, "
        "stan cywilny, nationality, staatsangehorigkeit, staatsangehoerigkeit, nationalite, "
        "nacionalidad, nazionalita, nacionalidade, nationaliteit, narodowosc, obywatelstwo, "
        "age, alter, edad, eta, idade, leeftijd, wiek, pronouns",
        detail="traits of the person", types=_ANY, weak=True, term="traits",
    ),
    Meaning(
        "contact",
        "avatar, avatar url, photo, photo url, picture, portrait, profile image, profile picture, "
        "lichtbild, foto, ritratto, zdjecie, signature, unterschrift",
        detail="picture of the person", types=_ANY, weak=True, term="picture",
    ),
    Meaning(
        "contact",
        "diagnosis, disease, allergy, allergies, blood type, blood group, medication, disability, "
        "religion, confession, ethnicity, race, sexual orientation, political party, "
        "trade union, diagnose, krankheit, blutgruppe, konfession, schwerbehinderung, maladie, "
        "groupe sanguin, enfermedad, alergia, malattia, gruppo sanguigno, doenca, ziekte, "
        "bloedgroep, geloof, choroba, wyznanie, grupa krwi, health status, krankenkasse",
        detail="special category (GDPR Art. 9)", always=True, types=_ANY, term="health",
    ),
    Meaning(
        "identifier",
        "ssn, social security, social security number, tax id, tax number, vat, vat id, "
        "vat number, passport, passport number, national id, id card, identity card, "
        "driver licence, driver license, license number, steuernummer, steuer id, ust id, "
        "sozialversicherungsnummer, ausweis, personalausweis, reisepass, securite sociale, "
        "nir, numero fiscal, nif, dni, nie, cedula, seguridad social, codice fiscale, "
        "partita iva, carta identita, cpf, cnpj, nis, bsn, burgerservicenummer, "
        "paspoort, pesel, nip, dowod osobisty, paszport, curp, rfc, taxid, siret",
        detail="number given by a state", always=True, shape="national", types=_ANY, term="number",
    ),
    Meaning(
        "transaction.paid",
        "iban, bic, swift, bank account, account number, card number, credit card, "
        "cc number, card last4, card expiry, cvv, kontonummer, bankverbindung, blz, kreditkarte, "
        "numero carte, carte bancaire, compte bancaire, tarjeta, cuenta bancaria, carta credito, "
        "conto corrente, cartao, conta bancaria, rekeningnummer, bankrekening, numer konta, "
        "karta kredytowa, sort code, routing number, paypal",
        detail="means of payment", always=True, shape="iban", types=_ANY, term="bank",
    ),
    Meaning(
        "transaction.paid",
        "amount, total, subtotal, grand total, price, paid, payment method, payment, invoice "
        "number, order number, betrag, summe, preis, rechnungsnummer, montant, prix, numero "
        "facture, importe, precio, importo, prezzo, valor, preco, bedrag, prijs, factuurnummer, "
        "kwota, cena, numer faktury, discount, refund, currency, freight, unit price, tax amount",
        types=_ANY, weak=True, term="money",
    ),
    Meaning(
        "navigation.ip",
        "ip, ip address, ipaddress, remote addr, remote address, client ip, last ip, "
        "adresse ip, direccion ip, indirizzo ip, ip adresse, adres ip, ip addr, sign in ip",
        identifies="ip", always=True, shape="ip", types=("text", "other", "integer", "bytes"),
    ),
    Meaning(
        "navigation.location",
        "latitude, longitude, lat, lng, lon, geo, geolocation, coordinates, gps, breitengrad, "
        "laengengrad, geoposition, latitud, longitud, latitudine, longitudine, breedtegraad, "
        "lengtegraad, location, szerokosc geograficzna",
        types=_ANY, weak=True,
    ),
    Meaning(
        "navigation.browser", "user agent, useragent, browser, http user agent",
        always=True, shape="agent",
    ),
    Meaning(
        "navigation.referrer",
        "referrer, referer, utm source, utm medium, utm campaign, landing page, http referer",
        shape="url",
    ),
    Meaning(
        "navigation.pages", "page url, visited url, visited page, request uri, request path, "
        "page viewed, query string", weak=True,
    ),
    Meaning(
        "identifier.cookie",
        "cookie, cookie id, visitor id, session id, session key, session token, gclid, fbclid, "
        "advertising id, idfa, gaid, tracking id, anonymous id, client id cookie, besucher id, "
        "sitzung, id sesion, id sessao, sessie, distinct id",
        identifies="cookie", always=True, types=("text", "other", "uuid"),
    ),
    Meaning(
        "device-signal",
        "device id, device token, push token, fingerprint, imei, imsi, mac address, udid, "
        "geraete id, id dispositivo, appareil, urzadzenie",
        identifies="device", always=True, types=("text", "other", "uuid"),
    ),
    Meaning(
        "account",
        "password, passwd, pwd, password hash, encrypted password, password digest, "
        "password salt, api key, secret, otp secret, access token, refresh token, reset token, "
        "remember token, kennwort, passwort, mot de passe, contrasena, senha, wachtwoord, haslo, "
        "security answer, recovery code, backup codes, auth token, confirmation token",
        detail=LOG_IN, types=_ANY, weak=True, term="password",
    ),
    Meaning(
        "account",
        "username, user name, login, login name, benutzername, identifiant, nom utilisateur, "
        "nombre usuario, nome utente, nome usuario, gebruikersnaam, nazwa uzytkownika, "
        "last login, last sign in, unconfirmed",
        detail="log-in", types=_ANY, weak=True, term="login",
    ),
    Meaning(
        "preference",
        "newsletter, opt in, opt out, optin, optout, consent, marketing, unsubscribe, "
        "unsubscribed, subscribed, gdpr, einwilligung, werbung, consentement, consentimiento, "
        "consenso, consentimento, toestemming, nieuwsbrief, zgoda, locale, language, timezone, "
        "time zone, sprache, langue, idioma, lingua, taal, jezyk, notify, notification settings, "
        "email notifications, email preferences, preferences, settings, theme",
        types=_ANY, weak=True,
    ),
    Meaning(
        "terms-acceptance",
        "terms accepted, accepted terms, tos accepted, agb, agreed to terms, terms of service, "
        "privacy accepted, conditions acceptees, terminos aceptados",
        types=_ANY, weak=True,
    ),
    Meaning(
        "interest-event", "clicked, opened, opened at, clicked at, click count, bounced, replied",
        types=_ANY, weak=True,
    ),
    Meaning(
        "free-text",
        "note, notes, comment, comments, remark, remarks, message, body, content, text, bio, "
        "biography, about, about me, feedback, memo, complaint, review, testimonial, reply, "
        "answer, question, notiz, notizen, bemerkung, anmerkung, kommentar, nachricht, "
        "beschwerde, commentaire, remarque, observations, nota, notas, comentario, "
        "observaciones, mensaje, commento, messaggio, osservazioni, annotazioni, observacao, "
        "observacoes, mensagem, opmerking, opmerkingen, bericht, notitie, uwagi, komentarz, "
        "wiadomosc, notatka, texto, texte, testo, tekst, "
        "description, beschreibung, descripcion, descrizione, descricao, "
        "omschrijving, opis, subject, betreff, sujet, asunto, oggetto, assunto, onderwerp, "
        "temat, reason, grund, motif, motivo, reden, powod, headline, summary",
        types=("text", "other", "json"), weak=True, free_text=True, term="text",
    ),
    Meaning("contact.name", "", shape="name", weak=True, term="named?", shy=True),
    Meaning(
        "contact.phone", "", identifies="phone", shape="phone", term="phone?", shy=True,
    ),
)  # fmt: skip
MEANINGS: Final = tuple(
    replace(m, ways=", ".join(filter(None, (m.ways, *tongues.said(m.term or ""))))) for m in _SPOKEN
)

#: Last words that make a column say something ABOUT the thing, not hold it.
_ABOUT: Final = listed(
    "id ids count counter verified confirmed flag type enabled disabled status required visible "
    "valid length format template label order position verification confirmation sent index "
    "kind mode hidden public size regex pattern field column digest checksum version tax_rate "
    "checked bounced domain provider limit"
)
_BEFORE: Final = listed("is has num can allow allows enable use show hide max min nb")


#: Words of columns that hold what proves a log-in, by themselves or with others.
_SECRET: Final = listed(
    "password passwd passwort kennwort contrasena senha wachtwoord haslo pwd pass hash salt token "
    "secret otp session apikey privatekey passphrase"
)
#: Types that such a value can have.
SECRET_TYPES: Final = ("text", "other", "uuid", "bytes", "json")


def ways(*terms: str) -> frozenset[str]:
    """What further languages say for the terms, each as one word."""
    return frozenset("".join(names.words(way)) for term in terms for way in tongues.said(term))


def secretive(column: str) -> bool:
    """Whether a column is named as one that proves who logs in, whatever else it may be."""
    parts = names.words(column)
    if len(parts) > 1 and (parts[-1] in _ABOUT - {"hash"} or parts[0] in _BEFORE):
        return False
    return any(names.singular(p) in _SECRET or p in _SECRET for p in parts) or any(
        meaning.detail == LOG_IN for meaning, _, _ in meanings(column)
    )


@lru_cache(maxsize=1)
def _index() -> dict[str, list[tuple[Words, int]]]:
    found: dict[str, list[tuple[Words, int]]] = {}
    for number, meaning in enumerate(MEANINGS):
        for way in meaning.ways.split(","):
            parts = names.words(way)
            found.setdefault(parts[0], []).append((parts, number))
            if len(parts) > 1:
                glued = ("".join(parts),)
                found.setdefault(glued[0], []).append((glued, number))
    return found


def meanings(column: str) -> Iterator[tuple[Meaning, float, str]]:
    """What the words of a column may mean: (meaning, share of its words that say it, the words).

    Longer ways come first; a way that is part of a longer one that was met is left out.
    """
    parts = names.words(column)
    if not parts:
        return
    about = len(parts) > 1 and (parts[-1] in _ABOUT or parts[0] in _BEFORE)
    met: list[tuple[int, int, int]] = []
    for start in range(len(parts)):
        for word in {parts[start], names.singular(parts[start])}:
            for way, number in _index().get(word, ()):
                end = start + len(way)
                rest = parts[start + 1 : end]
                if len(rest) == len(way) - 1 and all(map(names.alike, zip(rest), zip(way[1:]))):
                    met.append((start, end, number))
    met.sort(key=lambda m: (m[0] - m[1], -m[1]))
    taken: list[tuple[int, int]] = []
    for start, end, number in met:
        inside = any(a <= start and end <= b and (a, b) != (start, end) for a, b in taken)
        if inside:
            continue
        taken.append((start, end))
        meaning = MEANINGS[number]
        whole = about and end == len(parts) and end - start > 1
        if about and not whole and meaning.category not in ("account", "preference"):
            continue
        yield meaning, (end - start) / len(parts), " ".join(parts[start:end])
