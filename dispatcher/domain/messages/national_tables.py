"""
The national language tables of GSM 03.38, as runs of characters with the septet of the first.

Source: 3GPP TS 23.038, release 18: identifiers 6.2.1.2.4, single shift tables A.2, locking shift tables
A.3. Spanish has no locking shift table.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

Run = tuple[int, str]


class Language(IntEnum):
    """A national language identifier; 0 is the default alphabet."""

    TURKISH = 1
    SPANISH = 2
    PORTUGUESE = 3
    BENGALI = 4
    GUJARATI = 5
    HINDI = 6
    KANNADA = 7
    MALAYALAM = 8
    ORIYA = 9
    PUNJABI = 10
    TAMIL = 11
    TELUGU = 12
    URDU = 13


LOCKING: Final[Mapping[Language, tuple[Run, ...]]] = {
    Language.TURKISH: (
        (0x00, "@£$¥€éùıòÇ\nĞğ\rÅåΔ_ΦΓΛΩΠΨΣΘΞ"),
        (0x1C, "ŞşßÉ !\"#¤%&'()*+,-./0123456789:;<=>?İABCDEFGHIJKLMNOPQRSTUVWXYZÄ"),
        (0x5C, "ÖÑÜ§çabcdefghijklmnopqrstuvwxyzäöñüà"),
    ),
    Language.PORTUGUESE: (
        (0x00, "@£$¥êéúíóç\nÔô\rÁáΔ_ªÇÀ∞^\\€Ó|"),
        (0x1C, "ÂâÊÉ !\"#º%&'()*+,-./0123456789:;<=>?ÍABCDEFGHIJKLMNOPQRSTUVWXYZÃ"),
        (0x5C, "ÕÚÜ§~abcdefghijklmnopqrstuvwxyzãõ`üà"),
    ),
    Language.BENGALI: (
        (0x00, "ঁংঃঅআইঈউঊঋ\nঌ"),
        (0x0D, "\r"),
        (0x0F, "এঐ"),
        (0x13, "ওঔকখগঘঙচ"),
        (0x1C, "ছজঝঞ !টঠডঢণত)(থদ'ধ.ন0123456789:;"),
        (0x3D, "পফ?বভমযর"),
        (0x46, "ল"),
        (0x4A, "শষসহ়ঽািীুূৃৄ"),
        (0x59, "েৈ"),
        (0x5D, "োৌ্ৎabcdefghijklmnopqrstuvwxyzৗড়ঢ়ৰৱ"),
    ),
    Language.GUJARATI: (
        (0x00, "ઁંઃઅઆઇઈઉઊઋ\nઌઍ\r"),
        (0x0F, "એઐઑ"),
        (0x13, "ઓઔકખગઘઙચ"),
        (0x1C, "છજઝઞ !ટઠડઢણત)(થદ'ધ.ન0123456789:;"),
        (0x3D, "પફ?બભમયર"),
        (0x46, "લળ"),
        (0x49, "વશષસહ઼ઽાિીુૂૃૄૅ"),
        (0x59, "ેૈૉ"),
        (0x5D, "ોૌ્ૐabcdefghijklmnopqrstuvwxyzૠૡૢૣ૱"),
    ),
    Language.HINDI: (
        (0x00, "ँंःअआइईउऊऋ\nऌऍ\rऎएऐऑऒओऔकखगघङच"),
        (0x1C, "छजझञ !टठडढणत)(थद'ध.न0123456789:;ऩपफ?बभमयरऱलळऴवशषसह़ऽािीुूृॄॅॆेैॉ"),
        (0x5C, "ॊोौ्ॐabcdefghijklmnopqrstuvwxyzॲॻॼॾॿ"),
    ),
    Language.KANNADA: (
        (0x01, "ಂಃಅಆಇಈಉಊಋ\nಌ"),
        (0x0D, "\rಎಏಐ"),
        (0x12, "ಒಓಔಕಖಗಘಙಚ"),
        (0x1C, "ಛಜಝಞ !ಟಠಪಢಣತ)(ಥದ'ಧ.ನ0123456789:;"),
        (0x3D, "ಪಫ?ಬಭಮಯರಱಲಳ"),
        (0x49, "ವಶಷಸಹ಼ಽಾಿೀುೂೃೄ"),
        (0x58, "ೆೇೈ"),
        (0x5C, "ೊೋೌ್ೕabcdefghijklmnopqrstuvwxyzೖೠೡೢೣ"),
    ),
    Language.MALAYALAM: (
        (0x01, "ംഃഅആഇഈഉഊഋ\nഌ"),
        (0x0D, "\rഎഏഐ"),
        (0x12, "ഒഓഔകഖഗഘങച"),
        (0x1C, "ഛജഝഞ !ടഠഡഢണത)(ഥദ'ധ.ന0123456789:;"),
        (0x3D, "പഫ?ബഭമയരറലളഴവശഷസഹ"),
        (0x4F, "ഽാിീുൂൃൄ"),
        (0x58, "െേൈ"),
        (0x5C, "ൊോൌ്ൗabcdefghijklmnopqrstuvwxyzൠൡൢൣ൹"),
    ),
    Language.ORIYA: (
        (0x00, "ଁଂଃଅଆଇଈଉଊଋ\nଌ"),
        (0x0D, "\r"),
        (0x0F, "ଏଐ"),
        (0x13, "ଓଔକଖଗଘଙଚ"),
        (0x1C, "ଛଜଝଞ !ଟଠଡଢଣତ)(ଥଦ'ଧ.ନ0123456789:;"),
        (0x3D, "ପଫ?ବଭମଯର"),
        (0x46, "ଲଳ"),
        (0x49, "ଵଶଷସହ଼ଽାିୀୁୂୃୄ"),
        (0x59, "େୈ"),
        (0x5D, "ୋୌ୍ୖabcdefghijklmnopqrstuvwxyzୗୠୡୢୣ"),
    ),
    Language.PUNJABI: (
        (0x00, "ਁਂਃਅਆਇਈਉਊ"),
        (0x0A, "\n"),
        (0x0D, "\r"),
        (0x0F, "ਏਐ"),
        (0x13, "ਓਔਕਖਗਘਙਚ"),
        (0x1C, "ਛਜਝਞ !ਟਠਡਢਣਤ)(ਥਦ'ਧ.ਨ0123456789:;"),
        (0x3D, "ਪਫ?ਬਭਮਯਰ"),
        (0x46, "ਲਲ਼"),
        (0x49, "ਵਸ਼"),
        (0x4C, "ਸਹ਼"),
        (0x50, "ਾਿੀੁੂ"),
        (0x59, "ੇੈ"),
        (0x5D, "ੋੌ੍ੑabcdefghijklmnopqrstuvwxyzੰੱੲੳੴ"),
    ),
    Language.TAMIL: (
        (0x01, "ஂஃஅஆஇஈஉஊ"),
        (0x0A, "\n"),
        (0x0D, "\rஎஏஐ"),
        (0x12, "ஒஓஔக"),
        (0x19, "ஙச"),
        (0x1D, "ஜ"),
        (0x1F, "ஞ !ட"),
        (0x26, "ணத)("),
        (0x2C, "'"),
        (0x2E, ".ந0123456789:;னப"),
        (0x3F, "?"),
        (0x42, "மயரறலளழவஶஷஸஹ"),
        (0x50, "ாிீுூ"),
        (0x58, "ெேை"),
        (0x5C, "ொோௌ்ௐabcdefghijklmnopqrstuvwxyzௗ௰௱௲௹"),
    ),
    Language.TELUGU: (
        (0x00, "ఁంఃఅఆఇఈఉఊఋ\nఌ"),
        (0x0D, "\rఎఏఐ"),
        (0x12, "ఒఓఔకఖగఘఙచ"),
        (0x1C, "ఛజఝఞ !టఠడఢణత)(థద'ధ.న0123456789:;"),
        (0x3D, "పఫ?బభమయరఱలళ"),
        (0x49, "వశషసహ"),
        (0x4F, "ఽాిీుూృౄ"),
        (0x58, "ెేై"),
        (0x5C, "ొోౌ్ౕabcdefghijklmnopqrstuvwxyzౖౠౡౢౣ"),
    ),
    Language.URDU: (
        (0x00, "اآبٻڀپڦتۂٿ\nٹٽ\rٺټثجځڄڃڅچڇحخد"),
        (0x1C, "ڌڈډڊ !ڏڍذرڑړ)(ڙز'ږ.ژ0123456789:;ښسش?صضطظعفقکڪګگڳڱلمنںڻڼوۄەہھءیېے"),
        (0x5C, "ٍُِٗٔabcdefghijklmnopqrstuvwxyzّٰٕٖٓ"),
    ),
}
"""In place of the basic table."""

SINGLE: Final[Mapping[Language, tuple[Run, ...]]] = {
    Language.TURKISH: (
        (0x0A, "\f"),
        (0x14, "^"),
        (0x28, "{}"),
        (0x2F, "\\"),
        (0x3C, "[~]"),
        (0x40, "|"),
        (0x47, "Ğ"),
        (0x49, "İ"),
        (0x53, "Ş"),
        (0x63, "ç"),
        (0x65, "€"),
        (0x67, "ğ"),
        (0x69, "ı"),
        (0x73, "ş"),
    ),
    Language.SPANISH: (
        (0x09, "ç\f"),
        (0x14, "^"),
        (0x28, "{}"),
        (0x2F, "\\"),
        (0x3C, "[~]"),
        (0x40, "|Á"),
        (0x49, "Í"),
        (0x4F, "Ó"),
        (0x55, "Ú"),
        (0x61, "á"),
        (0x65, "€"),
        (0x69, "í"),
        (0x6F, "ó"),
        (0x75, "ú"),
    ),
    Language.PORTUGUESE: (
        (0x05, "ê"),
        (0x09, "ç\fÔô"),
        (0x0E, "Áá"),
        (0x12, "ΦΓ^ΩΠΨΣΘ"),
        (0x1F, "Ê"),
        (0x28, "{}"),
        (0x2F, "\\"),
        (0x3C, "[~]"),
        (0x40, "|À"),
        (0x49, "Í"),
        (0x4F, "Ó"),
        (0x55, "Ú"),
        (0x5B, "ÃÕ"),
        (0x61, "Â"),
        (0x65, "€"),
        (0x69, "í"),
        (0x6F, "ó"),
        (0x75, "ú"),
        (0x7B, "ãõ"),
        (0x7F, "â"),
    ),
    Language.BENGALI: (
        (0x00, "@£$¥¿\"¤%&'\f*+"),
        (0x0E, "-/<=>¡^¡_#*০১"),
        (0x1C, "২৩৪৫৬৭৮৯য়ৠৡৢ{}ৣ৲৳৴৵\\৶৷৸৹৺"),
        (0x3C, "[~]"),
        (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (0x65, "€"),
    ),
    Language.GUJARATI: (
        (0x00, "@£$¥¿\"¤%&'\f*+"),
        (0x0E, "-/<=>¡^¡_#*।॥"),
        (0x1C, "૦૧૨૩૪૫૬૭૮૯"),
        (0x28, "{}"),
        (0x2F, "\\"),
        (0x3C, "[~]"),
        (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (0x65, "€"),
    ),
    Language.HINDI: (
        (0x00, "@£$¥¿\"¤%&'\f*+"),
        (0x0E, "-/<=>¡^¡_#*।॥"),
        (0x1C, "०१२३४५६७८९॒॑{}॓॔क़ख़ग़\\ज़ड़ढ़फ़य़ॠॡॢॣ॰ॱ"),
        (0x3C, "[~]"),
        (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (0x65, "€"),
    ),
    Language.KANNADA: (
        (0x00, "@£$¥¿\"¤%&'\f*+"),
        (0x0E, "-/<=>¡^¡_#*।॥"),
        (0x1C, "೦೧೨೩೪೫೬೭೮೯ೞೱ{}ೲ"),
        (0x2F, "\\"),
        (0x3C, "[~]"),
        (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (0x65, "€"),
    ),
    Language.MALAYALAM: (
        (0x00, "@£$¥¿\"¤%&'\f*+"),
        (0x0E, "-/<=>¡^¡_#*।॥"),
        (0x1C, "൦൧൨൩൪൫൬൭൮൯൰൱{}൲൳൴൵ൺ\\ൻർൽൾൿ"),
        (0x3C, "[~]"),
        (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (0x65, "€"),
    ),
    Language.ORIYA: (
        (0x00, "@£$¥¿\"¤%&'\f*+"),
        (0x0E, "-/<=>¡^¡_#*।॥"),
        (0x1C, "୦୧୨୩୪୫୬୭୮୯ଡ଼ଢ଼{}ୟ୰ୱ"),
        (0x2F, "\\"),
        (0x3C, "[~]"),
        (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (0x65, "€"),
    ),
    Language.PUNJABI: (
        (0x00, "@£$¥¿\"¤%&'\f*+"),
        (0x0E, "-/<=>¡^¡_#*।॥"),
        (0x1C, "੦੧੨੩੪੫੬੭੮੯ਖ਼ਗ਼{}ਜ਼ੜਫ਼ੵ"),
        (0x2F, "\\"),
        (0x3C, "[~]"),
        (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (0x65, "€"),
    ),
    Language.TAMIL: (
        (0x00, "@£$¥¿\"¤%&'\f*+"),
        (0x0E, "-/<=>¡^¡_#*।॥"),
        (0x1C, "௦௧௨௩௪௫௬௭௮௯௳௴{}௵௶௷௸௺\\"),
        (0x3C, "[~]"),
        (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (0x65, "€"),
    ),
    Language.TELUGU: (
        (0x00, "@£$¥¿\"¤%&'\f*+"),
        (0x0E, "-/<=>¡^¡_#*"),
        (0x1C, "౦౧౨౩౪౫౬౭౮౯ౘౙ{}౸౹౺౻౼\\౽౾౿"),
        (0x3C, "[~]"),
        (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ),
    Language.URDU: (
        (0x00, "@£$¥¿\"¤%&'\f*+"),
        (0x0E, "-/<=>¡^¡_#*\u0600\u0601"),
        (0x1C, "۰۱۲۳۴۵۶۷۸۹،؍{}؎؏ؐؑؒ\\ؓؔ؛؟ـْ٘٫٬ٲٳۍ[~]۔|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (0x65, "€"),
    ),
}
"""In place of the extension table, after an escape."""
