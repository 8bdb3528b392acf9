"""The shipped terms as tables: id, parent, label, IRI (and, for purposes, the channel).

IRIs are concepts of the W3C Data Privacy Vocabulary, version 2: `https://w3id.org/dpv#…`
for purposes, entities and legal bases, its extension `https://w3id.org/dpv/pd#…` for
personal data. Where DPV has no concept as narrow, the nearest broader one stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

Row: TypeAlias = (
    tuple[str, str | None, str, str | None] | tuple[str, str | None, str, str | None, str]
)

DPV: Final = "https://w3id.org/dpv#"
PD: Final = "https://w3id.org/dpv/pd#"
_D, _P = DPV, PD
#: The concept of a person's name.
NAME: Final = _P + "Name"
#: The category of what people write as they like.
TEXT: Final = "free-text"

# Marketing does not lie under communication, nor analytics under operating the site:
# a purpose that people can refuse must never be carried by one that they cannot.
_PURPOSES: Final[tuple[Row, ...]] = (
    ("communicate", None, "Communicate with the person", _D + "CommunicationManagement"),
    ("communicate.reply", "communicate", "Answer a message", _D + "CommunicationForCustomerCare"),
    ("marketing", None, "Promote products and the business", _D + "Marketing"),
    ("marketing.email", "marketing", "Promote by e-mail", _D + "DirectMarketing", "email"),
    ("marketing.post", "marketing", "Promote by post", _D + "DirectMarketing", "post"),
    ("marketing.phone", "marketing", "Promote by telephone", _D + "DirectMarketing", "phone"),
    ("marketing.other", "marketing", "Promote by other means", _D + "DirectMarketing", "other"),
    (
        "marketing.partner-offers",
        "marketing",
        "Send offers on behalf of a partner",
        _D + "DirectMarketing",
    ),
    (
        "marketing.partner-offers.email",
        "marketing.partner-offers",
        "Send a partner's offers by e-mail",
        _D + "DirectMarketing",
        "email",
    ),
    ("advertising", None, "Show advertisements", _D + "Advertising"),
    (
        "advertising.targeted",
        "advertising",
        "Show advertisements chosen for the person",
        _D + "TargetedAdvertising",
        "ads",
    ),
    ("profiling", None, "Build a profile of the person", _D + "Personalisation"),
    ("personalisation", "profiling", "Personalise the site", _D + "ServicePersonalisation"),
    (
        "fraud-screening",
        None,
        "Screen for risk and fraud",
        _D + "FraudPreventionAndDetection",
    ),
    ("site", None, "Run the site", _D + "TechnicalServiceProvision"),
    ("site.operate", "site", "Operate the site", _D + "TechnicalServiceProvision"),
    (
        "site.improve",
        "site",
        "Improve and optimise the site",
        _D + "ImproveExistingProductsAndServices",
    ),
    ("analytics", None, "Analyse how people use the site", _D + "ServiceUsageAnalytics"),
    ("analytics.own", "analytics", "Analyse with own means", _D + "ServiceUsageAnalytics"),
    (
        "analytics.third-party",
        "analytics",
        "Analyse through a third party",
        _D + "ServiceUsageAnalytics",
    ),
    ("statistics", None, "Make statistics that identify nobody", _D + "ServiceUsageAnalytics"),
    (
        "campaign-measurement",
        None,
        "Measure the success of campaigns",
        _D + "ServiceUsageAnalytics",
    ),
    ("enrichment", None, "Supplement what is known of a person", _D + "RecordManagement"),
    ("identity-linking", None, "Link visits to a named person", _D + "RecordManagement"),
    ("service", None, "Serve customers", _D + "ServiceProvision"),
    ("service.provide", "service", "Provide the service", _D + "RequestedServiceProvision"),
    (
        "service.account",
        "service",
        "Open and keep an account",
        _D + "AccountManagement",
    ),
    ("service.payment", "service", "Take payment and write invoices", _D + "PaymentManagement"),
    ("service.security", "service", "Keep the service secure", _D + "EnforceSecurity"),
    ("support", None, "Support customers", _D + "CustomerCare"),
    ("contract", None, "Make and keep agreements", _D + "EstablishContractualAgreement"),
    (
        "contract.terms",
        "contract",
        "Keep the terms that were agreed",
        _D + "FulfilmentOfContractualObligation",
    ),
    ("legal-notice", None, "Send legal notices", _D + "LegalCompliance"),
    ("legal-requirement", None, "Meet a legal requirement", _D + "LegalCompliance"),
    ("disclosure", None, "Disclose to others", _D + "LegalCompliance"),
    (
        "disclosure.compelled",
        "disclosure",
        "Disclose where law or protection asks for it",
        _D + "LegalCompliance",
    ),
    (
        "disclosure.protection",
        "disclosure",
        "Disclose where it is needed to protect rights or people",
        _D + "LegalCompliance",
    ),
    ("public-interest", None, "Serve an important public interest", _D + "PublicBenefit"),
    ("dispute", None, "Establish, exercise or defend legal claims", _D + "DisputeManagement"),
    ("testimonial", None, "Publish a testimonial", _D + "PublicRelations"),
    (
        "corporate-event",
        None,
        "Hand over when the business changes owner",
        _D + "OrganisationGovernance",
    ),
    ("rights", None, "Carry out a person's rights", _D + "RightsFulfillment"),
    ("storage", None, "Store safely and do nothing else", _D + "RecordManagement"),
)

_CATEGORIES: Final[tuple[Row, ...]] = (
    ("contact", None, "Contact details", _P + "Contact"),
    ("contact.name", "contact", "Name", NAME),
    ("contact.email", "contact", "E-mail address", _P + "EmailAddress"),
    ("contact.phone", "contact", "Telephone number", _P + "TelephoneNumber"),
    ("contact.address", "contact", "Postal address", _P + "PhysicalAddress"),
    ("contact.job", "contact", "Job title", _P + "Job"),
    ("contact.company", "contact", "Company", _P + "Professional"),
    ("contact.preference", "contact", "Marketing preferences of a contact", _P + "Preference"),
    (TEXT, None, "Messages and notes", _P + "Communication"),
    ("transaction", None, "Transactions", _P + "Transactional"),
    ("transaction.free", "transaction", "Free sign-ups, trials, downloads", _P + "Transactional"),
    ("transaction.paid", "transaction", "Orders and invoices", _P + "Purchase"),
    ("public-web", None, "Facts from the public web", _P + "PubliclyAvailableSocialMedia"),
    ("enrichment", None, "Facts bought from providers", _P + "Profile"),
    ("partner-lead", None, "Leads from partners", _P + "Contact"),
    ("navigation", None, "Navigational information", _P + "BrowsingBehavior"),
    ("navigation.ip", "navigation", "IP address", _P + "IPAddress"),
    ("navigation.location", "navigation", "Location", _P + "Location"),
    ("navigation.browser", "navigation", "Browser", _P + "UserAgent"),
    ("navigation.referrer", "navigation", "Referring page", _P + "BrowsingReferral"),
    ("navigation.duration", "navigation", "Length of the visit", _P + "ServiceConsumptionBehavior"),
    ("navigation.pages", "navigation", "Pages viewed", _P + "BrowserHistory"),
    ("log", None, "Log files", _P + "BrowsingBehavior"),
    ("identity-link", None, "Links between visits and people", _P + "Identifying"),
    ("device-signal", None, "Device and fraud signals", _P + "DeviceBased"),
    ("cookie", None, "Cookies, beacons and advertising ids", _P + "Tracking"),
    ("preference", None, "Preferences and consents", _P + "PrivacyPreference"),
    ("interest-event", None, "Signs of interest: opens, clicks, replies", _P + "LinkClicked"),
    ("suppression", None, "Opt-outs kept as keyed hashes", _P + "PrivacyPreference"),
    ("account", None, "Accounts", _P + "Username"),
    ("terms-acceptance", None, "Acceptance of terms", _P + "Historical"),
    ("support-case", None, "Support cases", _P + "Communication"),
    ("testimonial", None, "Testimonials and comments", _P + "Opinion"),
    ("rights-case", None, "Requests about a person's rights", _P + "Communication"),
    ("disclosure-record", None, "Records of disclosures", _P + "Historical"),
    ("statistics", None, "Statistics", None),
    ("tenant-recipient", None, "Recipients of customers' own messages", _P + "Contact"),
    ("identifier", None, "Identifiers", _P + "Identifier"),
    ("identifier.account", "identifier", "Account number", _P + "UID"),
    ("identifier.cookie", "identifier", "Cookie or visitor id", _P + "UID"),
)

_RECIPIENTS: Final[tuple[Row, ...]] = (
    ("controller", None, "The organisation itself", _D + "DataController"),
    ("person", None, "The person", _D + "DataSubject"),
    ("provider", None, "Service providers", _D + "DataProcessor"),
    ("partner-campaign", None, "Partners whose offers we send (no data leaves)", _D + "ThirdParty"),
    ("partner", None, "Trusted partners", _D + "ThirdParty"),
    ("co-marketing", None, "Co-marketing partners", _D + "ThirdParty"),
    ("ad-network", None, "Advertising, analytics and social networks", _D + "ThirdParty"),
    ("authority", None, "Authorities and lawful requesters", _D + "Authority"),
    ("successor", None, "A successor of the business", _D + "ThirdParty"),
)

_CHANNELS: Final[tuple[Row, ...]] = (
    ("email", None, "E-mail", None),
    ("post", None, "Post", None),
    ("phone", None, "Telephone", None),
    ("ads", None, "Advertisements", None),
    ("site", None, "The web site", None),
    ("other", None, "Other means", None),
)

_BASES: Final[tuple[Row, ...]] = (
    ("consent", None, "Consent", _D + "Consent"),
    ("contract", None, "Contract", _D + "Contract"),
    ("legitimate-interest", None, "Legitimate interest", _D + "LegitimateInterest"),
    ("legal-obligation", None, "Legal obligation", _D + "LegalObligation"),
)

TABLES: Final[Mapping[str, tuple[Row, ...]]] = {
    "purposes": _PURPOSES,
    "categories": _CATEGORIES,
    "recipients": _RECIPIENTS,
    "channels": _CHANNELS,
    "bases": _BASES,
}

#: Other concepts of DPV that a record of consent is written with: classes, then properties.
RECORD: Final[frozenset[str]] = frozenset(
    (
        "Collect", "ConsentGiven", "ConsentNotice", "ConsentRecord", "ConsentRefused",
        "ConsentWithdrawn", "DataController", "DataSubject", "DataSubjectDataSource",
        "ExpressedConsent", "Organisation", "Process", "Recipient", "Share", "StorageDuration",
        "StorageLocation", "TemporalDuration", "ThirdParty", "WithinDevice",
        "hasAddress", "hasConsentStatus", "hasContact", "hasDataController", "hasDataSource",
        "hasDataSubject", "hasDuration", "hasEntity", "hasIdentifier", "hasJurisdiction",
        "hasLegalBasis", "hasLocation", "hasName", "hasNotice", "hasPersonalData", "hasProcess",
        "hasProcessing", "hasPurpose", "hasRecipient", "hasStorageCondition", "isExercisedAt",
        "isIndicatedAtTime",
    )
)  # fmt: skip
