"""What people and their details are called in further languages, one table, by language.

The words are ours, as somebody who speaks the language would name tables and columns. They are
written with its own letters or without accents: both are read alike (`names.words`). In the terms
of people (`person` to `by`) words stand between blanks, and a word of several is written with `_`;
in the others ways to say it stand between commas. `…?` are words that mean something else, too:
they count only where values agree. Words of two letters, and what is a word of English, of
columns or of another language here with another meaning, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

#: Terms of people: whom tables are named after, and what they do with a row (`names`).
OF_PEOPLE: Final = ("person", "staff", "perhaps", "own", "handle", "party", "creating", "by")
#: Terms of their details (`words.Meaning.term`).
OF_DETAILS: Final = (
    "email", "phone", "phone?", "name", "named", "named?", "address", "place", "job", "company",
    "born", "traits", "picture", "health", "number", "bank", "money", "password", "login", "text",
)  # fmt: skip

TONGUES: Final[Mapping[str, Mapping[str, str]]] = {
    "Turkish": {
        "person": "müşteri kullanıcı kişi üye öğrenci abone yolcu misafir ziyaretçi kiracı "
        "katılımcı danışan",
        "staff": "çalışan personel garson memur görevli kasiyer",
        "perhaps": "hasta doktor hemşire öğretmen sürücü şoför satıcı tedarikçi yönetici antrenör",
        "own": "sahip sahibi oluşturan ekleyen yazar",
        "handle": "onaylayan güncelleyen sorumlu danışman temsilci",
        "party": "gönderen gönderici alıcı",
        "email": "eposta, e posta adresi, eposta adresi",
        "phone": "telefon numarası, cep telefonu, cep tel, ev telefonu, telefon no",
        "phone?": "gsm",
        "name": "ad soyad, adı soyadı, soyad, soyadı, soyisim, müşteri adı, kişi adı, takma ad",
        "named": "isim",
        "named?": "ad, adı",
        "address": "ev adresi, iş adresi, fatura adresi, teslimat adresi, adresi, sokak, cadde, "
        "mahalle, posta kodu, kapı no, bina no, daire no",
        "place": "şehir, ilçe, ülke, semt",
        "job": "meslek, ünvan, maaş, işe giriş tarihi",
        "company": "şirket, firma adı, şirket adı",
        "born": "doğum tarihi, doğum günü, doğum yılı",
        "traits": "cinsiyet, medeni hal, medeni durum, uyruk",
        "picture": "fotoğraf, profil resmi",
        "health": "hastalık, kan grubu, teşhis, alerji",
        "number": "tc kimlik, tc kimlik no, tckn, tc no, kimlik no, kimlik numarası, vergi no, "
        "vergi numarası, pasaport no, ehliyet no",
        "bank": "hesap no, banka hesabı, kart numarası",
        "password": "şifre, parola",
        "login": "kullanıcı adı",
        "text": "açıklama, yorum, mesaj, notlar, biyografi, içerik, şikayet, görüş, neden, nedeni, "
        "sebep, hakkında, metin, metni",
    },
    "Indonesian, Malay": {
        "person": "pelanggan pengguna anggota pasien siswa mahasiswa murid pelajar penumpang tamu "
        "pengunjung penyewa nasabah peserta warga konsumen pembeli penjual penduduk klien "
        "peminjam orang_tua pesakit",
        "staff": "karyawan pegawai staf dosen petugas kasir pekerja kakitangan",
        "perhaps": "guru dokter  perawat sopir pemasok pengajar akun pelatih",
        "own": "pemilik penulis pembuat pemohon pelapor",
        "handle": "penyetuju pemeriksa pembimbing pengawas manajer penanggung_jawab",
        "party": "pengirim penerima",
        "creating": "dibuat ditulis diajukan",
        "by": "oleh",
        "email": "surel, alamat email, emel, alamat surel",
        "phone": "telepon, nomor telepon, no telepon, telp, no telp, no hp, nomor hp, handphone, "
        "no wa, nomor wa, ponsel, no ponsel, telefon bimbit",
        "phone?": "hp",
        "name": "nama lengkap, nama depan, nama belakang, nama panggilan, nama keluarga, nama "
        "ayah, "
        "nama ibu, nama wali, nama orang tua, nama pelanggan, nama pegawai, nama karyawan, "
        "nama pasien, nama siswa, nama mahasiswa, nama dosen, nama penuh, nama penerima",
        "named": "nama",
        "address": "alamat, alamat rumah, alamat lengkap, jalan, kode pos, poskod, kelurahan, "
        "kecamatan, dusun",
        "place": "kota, kabupaten, provinsi, propinsi, negara, negeri, daerah, desa",
        "job": "jabatan, pekerjaan, gaji",
        "company": "perusahaan, syarikat, nama perusahaan",
        "born": "tanggal lahir, tgl lahir, tarikh lahir, tahun lahir",
        "traits": "jenis kelamin, jantina, status perkawinan, status pernikahan, "
        "kewarganegaraan, umur, usia",
        "health": "penyakit, golongan darah, gol darah, agama, alergi",
        "number": "nomor ktp, no ktp, ktp, npwp, paspor, no paspor, no kk, kad pengenalan, "
        "nomor induk kependudukan",
        "bank": "rekening, no rekening, nomor rekening",
        "password": "kata sandi, sandi, kata laluan",
        "login": "nama pengguna",
        "text": "catatan, keterangan, komentar, pesan, ulasan, deskripsi, keluhan, isi pesan, "
        "tanggapan, alasan, saran",
    },
    "Vietnamese": {
        "person": "khách_hàng người_dùng bệnh_nhân sinh_viên học_sinh học_viên thành_viên "
        "hành_khách độc_giả người_mua người_bán",
        "staff": "nhân_viên giáo_viên giảng_viên kỹ_thuật_viên",
        "perhaps": "bác_sĩ tài_khoản nhà_cung_cấp tài_xế",
        "own": "người_tạo tạo_bởi chủ_sở_hữu tác_giả người_đăng",
        "handle": "người_duyệt duyệt_bởi người_xử_lý cập_nhật_bởi người_cập_nhật người_quản_lý",
        "party": "người_gửi người_nhận",
        "email": "thư điện tử, hộp thư",
        "phone": "điện thoại, số điện thoại, số đt, di động, sđt",
        "name": "họ tên, họ và tên, tên đầy đủ, tên khách hàng, tên nhân viên, tên bệnh nhân, "
        "tên sinh viên, tên học sinh, tên người nhận",
        "named?": "tên, họ",
        "address": "địa chỉ, số nhà, tên đường, mã bưu điện, mã bưu chính",
        "place": "thành phố, tỉnh thành, quận huyện, phường xã, quốc gia",
        "job": "nghề nghiệp, chức vụ, tiền lương",
        "company": "công ty, tên công ty",
        "born": "ngày sinh, năm sinh, sinh nhật",
        "traits": "giới tính, quốc tịch, tình trạng hôn nhân",
        "health": "chẩn đoán, nhóm máu, dị ứng, tôn giáo, dân tộc",
        "number": "cmnd, số cmnd, cccd, số cccd, mã số thuế, hộ chiếu, số hộ chiếu, căn cước",
        "bank": "số tài khoản",
        "password": "mật khẩu",
        "login": "tên đăng nhập, tên người dùng",
        "text": "ghi chú, nội dung, mô tả, bình luận, tin nhắn, lời nhắn, nhận xét, phản hồi, "
        "lý do, góp ý",
    },
    "Czech, Slovak": {
        "person": "zákazník uživatel používateľ osoba člen pacient žák čtenář čitateľ odběratel "
        "návštěvník účastník cestující nájemce kupující zákazníci uživatelé členové",
        "staff": "zaměstnanec zaměstnanci zamestnanec zamestnanci pracovník číšník čašník",
        "perhaps": "lékař lekár učitel učiteľ řidič vodič dodavatel dodávateľ prodavač trenér",
        "own": "vlastník majitel majiteľ vytvořil vytvoril zadavatel",
        "handle": "schválil upravil vedoucí vedúci zodpovědný",
        "party": "odesílatel odosielateľ příjemce príjemca",
        "phone": "telefonní číslo, telefónne číslo, číslo telefonu",
        "name": "jméno a příjmení, příjmení, priezvisko, křestní jméno, krstné meno, celé jméno, "
        "rodné příjmení, jméno zákazníka",
        "named": "jméno, meno, přezdívka, prezývka",
        "address": "adresa, ulice, číslo popisné, psč, směrovací číslo, bydliště, bydlisko, "
        "trvalé bydliště, dodací adresa",
        "place": "město, mesto",
        "job": "povolání, povolanie, pracovní pozice, mzda",
        "company": "zaměstnavatel, název firmy",
        "born": "datum narození, dátum narodenia, narození, narozen, rok narození",
        "traits": "pohlaví, pohlavie, rodinný stav, státní příslušnost, národnost",
        "health": "diagnóza, nemoc, krevní skupina, krvná skupina, zdravotní pojišťovna",
        "number": "rodné číslo, číslo op, občanský průkaz, občiansky preukaz, číslo pasu, "
        "číslo dokladu, řidičský průkaz",
        "bank": "číslo účtu, bankovní účet",
        "money": "částka, cena celkem",
        "password": "heslo",
        "login": "uživatelské jméno, přihlašovací jméno",
        "text": "poznámka, poznámky, komentář, zpráva, popis, vzkaz, připomínka, stížnost, "
        "důvod, dôvod",
    },
    "Hungarian": {
        "person": "ügyfél ügyfelek vásárló felhasználó személy páciens beteg tanuló diák vendég "
        "olvasó előfizető utas résztvevő bérlő látogató vevő",
        "staff": "alkalmazott dolgozó munkatárs ügyintéző pincér",
        "perhaps": "orvos tanár sofőr eladó szállító edző",
        "own": "tulajdonos szerző létrehozó létrehozta igénylő",
        "handle": "jóváhagyó jóváhagyta módosította felelős",
        "party": "feladó címzett küldő",
        "phone": "telefonszám, mobilszám, telefonszáma",
        "name": "vezetéknév, keresztnév, családnév, utónév, teljes név, leánykori név, ügyfélnév, "
        "anyja neve",
        "named": "név, neve, becenév",
        "address": "lakcím, utca, házszám, irányítószám, irsz, szállítási cím, számlázási cím",
        "place": "város, megye, ország, település, helység",
        "job": "foglalkozás, beosztás, munkakör, fizetés",
        "company": "cégnév, munkáltató",
        "born": "születési dátum, születési idő, születésnap, született, születési év",
        "traits": "családi állapot, állampolgárság, nemzetiség, életkor",
        "health": "betegség, diagnózis, vércsoport, vallás, allergia",
        "number": "adószám, adóazonosító, taj szám, személyi szám, személyi igazolvány, "
        "útlevélszám, szig szám",
        "bank": "számlaszám, bankszámla, bankszámlaszám",
        "password": "jelszó",
        "login": "felhasználónév",
        "text": "megjegyzés, üzenet, hozzászólás, leírás, szöveg, panasz, vélemény, indoklás, "
        "bemutatkozás",
    },
    "Romanian": {
        "person": "utilizator persoană persoane pacient elev oaspete pasager cumpărător chiriaș "
        "abonat membru vizitator participanți cititor",
        "staff": "angajat ospătar funcționar",
        "perhaps": "medic profesor șofer furnizor vânzător antrenor",
        "own": "proprietar deținător solicitant",
        "handle": "responsabil",
        "party": "expeditor destinatar",
        "email": "poșta electronică, adresă email",
        "phone": "număr telefon, nr telefon, telefon mobil",
        "name": "prenume, nume familie, nume complet, nume client, nume prenume, nume și prenume",
        "named": "nume, poreclă",
        "address": "adresă, stradă, număr casă, cod poștal, domiciliu, adresă livrare, "
        "adresă facturare",
        "place": "oraș, județ, localitate, comună",
        "job": "ocupație, profesie, salariu, data angajării",
        "company": "denumire firmă, nume firmă, companie, angajator",
        "born": "data nașterii, dată naștere, zi naștere, an naștere",
        "traits": "stare civilă, cetățenie, naționalitate, vârstă",
        "health": "diagnostic medical, boală, grupa sanguină, alergii",
        "number": "cnp, cod numeric personal, cod fiscal, serie buletin, carte identitate, "
        "pașaport",
        "bank": "cont bancar",
        "password": "parolă",
        "login": "nume utilizator",
        "text": "observații, notițe, comentariu, comentarii, mesaj text, descriere, reclamație, "
        "motivare, mențiuni",
    },
    "Greek": {
        "person": "πελάτης πελάτες χρήστης χρήστες ασθενής ασθενείς μαθητής μαθητές φοιτητής "
        "φοιτητές "
        "μέλος μέλη άτομο επισκέπτης επιβάτης συνδρομητής pelates xristis xristes astheneis "
        "mathites "
        "foitites asthenis atomo",
        "staff": "υπάλληλος υπάλληλοι εργαζόμενος προσωπικό ypallilos ypalliloi ergazomenos",
        "perhaps": "γιατρός ιατρός καθηγητής οδηγός προμηθευτής giatros kathigitis odigos",
        "own": "ιδιοκτήτης συγγραφέας δημιουργός",
        "handle": "υπεύθυνος διαχειριστής",
        "party": "αποστολέας παραλήπτης",
        "phone": "τηλέφωνο, κινητό, κινητό τηλέφωνο, αριθμός τηλεφώνου, σταθερό τηλέφωνο",
        "name": "ονοματεπώνυμο, επώνυμο, επίθετο, πατρώνυμο, όνομα πελάτη, μικρό όνομα, "
        "όνομα πατέρα, όνομα μητέρας, eponimo, onomateponimo, epwnymo, onomatepwnymo",
        "named": "όνομα",
        "address": "διεύθυνση, οδός, ταχυδρομικός κώδικας, diefthinsi, dieythynsi, taxydromikos "
        "kodikas",
        "place": "πόλη, χώρα, νομός, περιοχή, δήμος",
        "job": "επάγγελμα, μισθός",
        "company": "εταιρεία, επωνυμία",
        "born": "ημερομηνία γέννησης, ημ γέννησης, imerominia gennisis, imer gennisis, etos "
        "gennisis",
        "traits": "φύλο, οικογενειακή κατάσταση, υπηκοότητα, ηλικία, fylo",
        "health": "διάγνωση, ασθένεια, ομάδα αίματος, αλλεργία",
        "number": "αφμ, αμκα, αριθμός ταυτότητας, ταυτότητα, διαβατήριο, ar taytotitas",
        "bank": "αριθμός λογαριασμού",
        "password": "κωδικός πρόσβασης, συνθηματικό",
        "login": "όνομα χρήστη",
        "text": "σχόλιο, σχόλια, σημείωση, σημειώσεις, μήνυμα, περιγραφή, παρατηρήσεις, "
        "παρατήρηση, "
        "παράπονο, sxolia, simeiosi, simeioseis, minima, perigrafi, paratiriseis",
    },
    "Russian, Ukrainian": {
        "person": "клиент покупатель пользователь пациент студент ученик человек люди гость "
        "участник "
        "пассажир посетитель читатель клієнт покупець покупці користувач korystuvach пацієнт "
        "учень особа "
        "відвідувач polzovatel pokupatel chelovek posetitel koristuvach pokupets",
        "staff": "сотрудник работник персонал официант працівник співробітник sotrudnik rabotnik",
        "perhaps": "врач учитель водитель поставщик преподаватель тренер продавец лікар вчитель "
        "водій",
        "own": "владелец автор создал власник",
        "handle": "утвердил изменил ответственный менеджер",
        "party": "отправитель получатель відправник одержувач",
        "email": "почта, электронная почта, эл почта, пошта, електронна пошта",
        "phone": "номер телефона, мобильный телефон, номер телефону, мобільний",
        "name": "фамилия, отчество, фио, полное имя, имя клиента, прізвище, по батькові, піб, "
        "familija, otchestvo, prizvyshche",
        "named": "имя, імя, imia",
        "address": "адрес, адреса клиента, улица, дом номер, почтовый индекс, место жительства, "
        "вулиця, поштовий індекс, ulitsa",
        "place": "город, область, страна, район, місто, країна, gorod",
        "job": "должность, профессия, зарплата, посада",
        "company": "компания, организация, работодатель, компанія",
        "born": "дата рождения, день рождения, год рождения, дата народження",
        "traits": "семейное положение, гражданство, возраст, громадянство",
        "health": "диагноз, болезнь, группа крови, аллергия, діагноз",
        "number": "снилс, номер инн, паспорт, номер паспорта, серия паспорта, ідентифікаційний код",
        "bank": "номер счета, номер карты, расчетный счет",
        "password": "пароль",
        "login": "имя пользователя, логин, логін",
        "text": "комментарий, примечание, сообщение, описание, отзыв, жалоба, заметка, заметки, "
        "коментар, примітка, повідомлення, опис, відгук, причина",
    },
    "Swedish, Norwegian, Danish": {
        "person": "kund kunder användare bruger bruker brukere medlem medlemmar medlemmer "
        "patienter pasient elever gäst gäster gjest gjester besökare besøkende deltagare deltaker "
        "deltager låntagare resenär personer",
        "staff": "anställd anställda ansatt ansatte medarbetare medarbejder handläggare "
        "saksbehandler sagsbehandler servitör",
        "perhaps": "läkare lege læge lärare lærer förare leverantör leverandør säljare",
        "own": "ägare eier ejer författare forfatter",
        "handle": "ansvarig ansvarlig",
        "party": "avsändare avsender afsender mottagare mottaker modtager",
        "creating": "skapad skapat opprettet oprettet",
        "email": "epostadress, epostadresse, e postadress",
        "phone": "mobilnummer, mobiltelefon, telefonnr, mobilnr, tlf, tlfnr",
        "name": "förnamn, efternamn, fornavn, etternavn, efternavn, mellomnavn, mellemnavn, "
        "mellannamn, fullständigt namn, fullt navn, fulde navn, kundnamn, kundenavn, tilltalsnamn",
        "named": "namn, navn, smeknamn, kallenavn",
        "address": "adress, gata, gatuadress, gateadresse, vejnavn, gatenavn, postnummer, postnr, "
        "husnummer, husnr, bostadsadress, bopæl, leveransadress, bostedsadresse",
        "place": "poststed, postort, kommun, kommune, fylke",
        "job": "yrke, befattning, stilling, lønn",
        "company": "företag, företagsnamn, arbetsgivare, arbeidsgiver, arbejdsgiver, firmanavn",
        "born": "födelsedatum, fødselsdato, födelsedag, fødselsdag, födelseår, fødselsår, "
        "født, född, fødtdato",
        "traits": "kjønn, civilstånd, sivilstand, civilstand, medborgarskap, "
        "statsborgerskap, ålder",
        "health": "sjukdom, sykdom, sygdom, blodgrupp, blodtype, diagnos",
        "number": "personnummer, personnr, fødselsnummer, cpr, cpr nummer, samordningsnummer, "
        "passnummer, passnr, körkortsnummer",
        "bank": "kontonr, bankkonto, kortnummer",
        "password": "lösenord, passord, adgangskode",
        "login": "användarnamn, brukernavn, brugernavn",
        "text": "anteckning, anteckningar, meddelande, melding, besked, beskrivning, beskrivelse, "
        "bemærkning, merknad, notat, notater, anmärkning, klagomål, klage, kommentarer, fritext, "
        "fritekst",
    },
    "Finnish": {
        "person": "asiakas asiakkaat käyttäjä käyttäjät henkilö henkilöt potilas potilaat oppilas "
        "oppilaat opiskelija opiskelijat jäsen jäsenet vieras vieraat matkustaja osallistuja "
        "vuokralainen",
        "staff": "työntekijä työntekijät henkilöstö tarjoilija",
        "perhaps": "lääkäri opettaja kuljettaja toimittaja myyjä valmentaja",
        "own": "omistaja tekijä luoja",
        "handle": "hyväksyjä käsittelijä vastuuhenkilö",
        "party": "lähettäjä vastaanottaja",
        "email": "sähköposti, sähköpostiosoite",
        "phone": "puhelin, puhelinnumero, matkapuhelin, kännykkä",
        "name": "etunimi, sukunimi, koko nimi, kutsumanimi, asiakkaan nimi, toinen nimi",
        "named": "nimi, lempinimi",
        "address": "osoite, katuosoite, katu, postinumero, lähiosoite, kotiosoite",
        "place": "kaupunki, postitoimipaikka, kunta, maakunta",
        "job": "ammatti, tehtävänimike, palkka",
        "company": "yritys, työnantaja",
        "born": "syntymäaika, syntymäpäivä, syntymävuosi",
        "traits": "sukupuoli, siviilisääty, kansalaisuus",
        "health": "sairaus, diagnoosi, veriryhmä",
        "number": "henkilötunnus, hetu, sosiaaliturvatunnus, passin numero, passinumero",
        "bank": "tilinumero",
        "password": "salasana",
        "login": "käyttäjätunnus, käyttäjänimi",
        "text": "huomautus, kommentti, kommentit, viesti, kuvaus, muistiinpano, lisätiedot, "
        "palaute",
    },
    "Dutch": {
        "person": "patiënt gast huurder cursist lener koper verkoper inwoner cliënt",
        "staff": "werknemers personeelslid",
        "perhaps": "huisarts docent leraar chauffeur leverancier",
        "own": "aanvrager",
        "handle": "beheerder verantwoordelijke",
        "phone": "mobiel nummer, telefoonnr, gsm nummer",
        "name": "roepnaam, volledige naam, voorletters, meisjesnaam, naam klant, klantnaam",
        "address": "straatnaam, huisnr, toevoeging, bezorgadres, factuuradres",
        "born": "geboortejaar, geboren op, geb datum",
        "text": "toelichting, klacht, aantekening, aantekeningen, beschrijving",
    },
    "Polish": {
        "person": "gość student czytelnik pasażer najemca kursant odwiedzający dłużnik",
        "staff": "pracownica kelner kasjer",
        "perhaps": "lekarz nauczyciel kierowca dostawca sprzedawca trener",
        "own": "właściciele utworzył wnioskodawca zamawiający",
        "handle": "zatwierdził zmodyfikował",
        "email": "poczta elektroniczna, mejl",
        "phone": "nr telefonu, telefon komórkowy, tel komórkowy",
        "name": "imię i nazwisko, drugie imię, nazwisko rodowe, nazwisko panieńskie",
        "address": "nr domu, nr mieszkania, numer mieszkania, adres zamieszkania, adres dostawy",
        "place": "miejscowość, gmina",
        "born": "rok urodzenia, data ur",
        "number": "nr dowodu, numer dowodu, nr paszportu",
        "text": "opinia, skarga, notatki, treść, treść wiadomości",
    },
    "Portuguese": {
        "person": "hóspede passageiro morador inquilino leitor comprador paciente visitante doador",
        "staff": "funcionária colaborador garçom atendente",
        "perhaps": "médico professor motorista fornecedor vendedor treinador",
        "own": "dono solicitante criador",
        "handle": "aprovador responsável",
        "email": "correio eletrónico, correio eletrônico",
        "phone": "nº telefone, número telefone, telefone celular, fone",
        "name": "primeiro nome, último nome, nome completo, nome mãe, nome pai, nome cliente",
        "named": "alcunha",
        "address": "logradouro, código postal, número casa, complemento endereço, endereço entrega",
        "born": "dt nascimento, data nasc, ano nascimento",
        "traits": "naturalidade",
        "health": "tipo sanguíneo, doenças, alergias",
        "number": "bilhete identidade, cartão cidadão, número contribuinte, passaporte",
        "text": "reclamação, comentários, anotações, obs, recado",
    },
    "Croatian, Serbian, Slovenian": {
        "person": "korisnik korisnici kupac kupci klijent članovi pacijent učenik gost putnik "
        "polaznik uporabnik uporabniki bolnik učenec dijak obiskovalec posetilac posjetitelj",
        "staff": "zaposlenik zaposleni djelatnik radnik konobar zaposlen delavec natakar",
        "perhaps": "liječnik lekar nastavnik zdravnik dobavljač dobavitelj prodavač trener vozač",
        "own": "vlasnik kreirao napravio lastnik ustvaril",
        "handle": "odobrio izmijenio odgovoran odobril",
        "party": "pošiljatelj pošiljalac primatelj primalac prejemnik",
        "email": "e pošta, elektronska pošta, epošta",
        "phone": "broj telefona, telefonski broj, broj mobitela, mobitel, telefonska številka",
        "name": "prezime, ime i prezime, ime prezime, puno ime, priimek, ime in priimek",
        "named": "ime, nadimak, vzdevek",
        "address": "ulica i broj, kućni broj, poštanski broj, prebivalište, naslov bivališča, "
        "hišna številka, poštna številka",
        "place": "država, općina, opština, županija, občina, kraj bivanja",
        "job": "zanimanje, radno mjesto, radno mesto, plaća, poklic",
        "company": "tvrtka, preduzeće, podjetje, poslodavac",
        "born": "datum rođenja, rođen, godina rođenja, datum rojstva, rojstni datum",
        "traits": "bračno stanje, bračni status, državljanstvo, narodnost",
        "health": "dijagnoza, bolest, krvna grupa, krvna skupina, alergije",
        "number": "oib, jmbg, emšo, broj putovnice, broj osobne, broj pasoša, davčna številka",
        "bank": "broj računa, žiro račun",
        "password": "lozinka, geslo",
        "login": "korisničko ime, uporabniško ime",
        "text": "napomena, napomene, komentari, poruka, bilješka, beleška, opomba, opombe, "
        "sporočilo, "
        "primjedba, pritožba",
    },
    "Bulgarian": {
        "person": "потребител клиентка купувач ученик гост пътник посетител член potrebitel "
        "kupuvach",
        "staff": "служител работничка сервитьор sluzhitel",
        "perhaps": "лекар доставчик шофьор",
        "own": "собственик създал",
        "handle": "одобрил отговорник",
        "party": "подател получател",
        "email": "имейл, електронна поща, поща",
        "phone": "телефонен номер, мобилен телефон, gsm номер",
        "name": "фамилно име, презиме, собствено име, пълно име, три имена",
        "address": "улица номер, пощенски код, постоянен адрес",
        "place": "държава, община",
        "born": "дата на раждане, дата раждане, рождена дата",
        "traits": "гражданство лице, семейно положение, възраст",
        "number": "егн, лична карта, номер паспорт",
        "password": "парола достъп",
        "login": "потребителско име",
        "text": "бележка, бележки, забележка, съобщение, описание, жалба, мнение",
    },
    "Japanese": {
        "person": "kokyaku riyousha riyosha kaiin kanja gakusei seito okyaku",
        "staff": "juugyouin jugyoin shain sutaffu",
        "perhaps": "sensei",
        "own": "sakuseisha shoyuusha shoyusha",
        "handle": "tantousha tantosha shouninsha koushinsha",
        "party": "soushinsha jushinsha",
        "email": "meru adoresu, meeru adoresu, denshi meru",
        "phone": "denwa, denwa bangou, denwa bango, denwabango, keitai, keitai denwa, keitai "
        "bangou",
        "name": "shimei, namae, myouji, myoji, sei mei, shimei kana, furigana",
        "address": "juusho, jusho, yuubin bangou, yubin bango, yubinbango, banchi",
        "place": "todoufuken, todofuken, shikuchouson, shikuchoson",
        "born": "seinengappi, tanjoubi, tanjobi",
        "traits": "seibetsu, kokuseki, nenrei",
        "number": "mai nanba, kojin bangou, kojin bango",
        "bank": "kouza bangou, koza bango",
        "password": "pasuwado",
        "text": "bikou, biko, komento, setsumei, messeji, naiyou",
    },
    "Chinese": {
        "person": "ke_hu yong_hu hui_yuan bing_ren huan_zhe xue_sheng gu_ke lv_ke",
        "staff": "yuan_gong zhi_yuan",
        "perhaps": "yi_sheng lao_shi zhang_hu",
        "own": "chuang_jian_ren suo_you_zhe",
        "handle": "shen_he_ren fu_ze_ren",
        "party": "fa_jian_ren shou_jian_ren",
        "email": "you xiang, dian zi you jian",
        "phone": "dian hua, shou ji, shou ji hao, dian hua hao ma, lian xi dian hua",
        "name": "xing ming, ke hu ming, lian xi ren",
        "address": "di zhi, zhu zhi, you bian, you zheng bian ma, xiang xi di zhi",
        "place": "cheng shi, sheng fen, guo jia",
        "born": "sheng ri, chu sheng ri qi",
        "traits": "xing bie, nian ling, guo ji",
        "number": "shen fen zheng, shen fen zheng hao, hu zhao hao",
        "bank": "yin hang ka hao, yin hang zhang hao",
        "password": "mi ma",
        "login": "yong hu ming",
        "text": "bei zhu, ping lun, liu yan, miao shu, xiao xi",
    },
    "Korean": {
        "person": "gogaek goegaek sayongja hoewon hwanja haksaeng sonnim",
        "staff": "jigwon sawon",
        "perhaps": "uisa seonsaengnim",
        "own": "jakseongja soyuja",
        "handle": "damdangja seunginja",
        "party": "balsinja susinja",
        "email": "imeil, jeonja upyeon",
        "phone": "jeonhwa, jeonhwa beonho, jeonhwabeonho, hyudaepon, hyudaejeonhwa",
        "name": "ireum, seongmyeong, seongham",
        "address": "juso, upyeon beonho, upyeonbeonho, sangse juso",
        "born": "saengnyeonworil, saengil, saengnyeon",
        "traits": "seongbyeol, gukjeok",
        "number": "jumin beonho, jumin deungnok beonho, juminbeonho, yeogwon beonho",
        "bank": "gyejwa beonho",
        "password": "bimil beonho, bimilbeonho",
        "text": "bigo, daetgeul, seolmyeong",
    },
    "Arabic": {
        "person": "amil omala zaboun zabun mustakhdim mostakhdem mustakhdimin marid mareed talib "
        "talaba musafir mushtarik",
        "staff": "muwazzaf mowazaf muwazzafin",
        "perhaps": "tabib ustadh mudarris",
        "own": "sahib muallif",
        "handle": "masoul mudir",
        "party": "mursil mustalim",
        "email": "barid electroni, barid iliktruni",
        "phone": "hatif, raqm hatif, raqm jawal, jawwal, raqm mobile",
        "name": "ism kamil, al ism, ism awal, ism al aila, ism aila, laqab, kunya",
        "address": "unwan, onwan, shari, ramz baridi",
        "place": "madina, dawla, muhafaza",
        "born": "tarikh milad, tarikh al milad, tarikh miladi",
        "traits": "jinsiya, hala ijtimaiya",
        "number": "raqm qawmi, raqm al hawiya, raqm hawiya, raqm jawaz, jawaz safar",
        "password": "kalimat sirr, kalimat al sirr",
        "text": "mulahaza, mulahazat, molahazat, taliq, risala, wasf",
    },
    "Hindi": {
        "person": "grahak upbhokta upyogkarta sadasya marij mareez rogi chhatra vidyarthi yatri "
        "vyakti",
        "staff": "karmchari karmachari",
        "perhaps": "chikitsak shikshak adhyapak",
        "own": "lekhak",
        "phone": "doorbhash, durbhash, mobile sankhya, phone sankhya",
        "name": "poora naam, pura naam, upnaam, pehla naam, pita ka naam, mata ka naam, grahak "
        "naam",
        "address": "ghar ka pata, makan number, gali number, pin code",
        "place": "shahar, shehar, zila, jila, rajya",
        "born": "janm tithi, janmatithi, janam tithi, janm din",
        "traits": "rashtriyata, vaivahik sthiti",
        "health": "bimari, rakt samuh",
        "number": "aadhaar, aadhar, aadhaar number, pan number",
        "bank": "khata sankhya",
        "text": "tippani, sandesh, vivran, shikayat, vivaran",
    },
}  # fmt: skip

#: Plurals that no rule of endings makes out of the word (`names.stems`): without accents.
PLURALS: Final[Mapping[str, str]] = {
    "zamestnanci": "zamestnanec", "uzivatele": "uzivatel", "clenove": "clen", "kupci": "kupac",
    "clanovi": "clan", "pelates": "pelatis", "xristes": "xristis", "christes": "christis",
    "astheneis": "asthenis", "mathites": "mathitis", "foitites": "foititis", "meli": "melos",
    "ypalliloi": "ypallilos", "kunder": "kund", "medlemmar": "medlem", "medlemmer": "medlem",
    "gaster": "gast", "gjester": "gjest", "personer": "person", "asiakkaat": "asiakas",
    "potilaat": "potilas", "oppilaat": "oppilas", "vieraat": "vieras", "jasenet": "jasen",
    "ugyfelek": "ugyfel", "persoane": "persoana", "pokuptsi": "pokupets",
}  # fmt: skip


def said(term: str) -> Iterator[str]:
    """What the languages say for a term: words of `OF_PEOPLE`, ways of `OF_DETAILS`."""
    apart = None if term in OF_PEOPLE else ","
    for tongue in TONGUES.values():
        yield from (way.strip() for way in tongue.get(term, "").split(apart))
