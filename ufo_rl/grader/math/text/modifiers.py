"""Words of other languages than English that make another value of a number: magnitudes, parts, powers, ranges, rough ones.

English ones stand where units are read (`words.units`).
"""

# ruff: noqa: RUF001  (signs that look alike are what this file is about)
from __future__ import annotations

import re

MAGNITUDES = (
    r"(?:(?<=[\d\s{])|^)(?:[万萬億亿百兆만억천조打]|千(?![米克瓦卡]))|\bmil(?:lón|lones|hão|hões|ioni|ione|a|le|lier|liers)?\b"
    r"|\b(?:tausend\w*|million\w*|milli?ard\w*|hundert\w*|тысяч\w*|тыс|млн|млрд|миллион\w*|миллиард\w*)\b"
    r"|\b(?:docenas?|douzaines?|dutzend|dúzias?|dozzin[ae]|дюжин\w*)\b"
)
PARTS = (
    r"分之|分の|분의|半|절반|割|百分|\b(?:mitad|moitié|hälfte|metade|metà|половин\w*|medi[oa]s?|tercios?|cuartos?|quintos?"
    r"|halbe\w*|drittel|viertel|fünftel|terços?|quartos?|terz[oi]|quart[oi]|трет\w+|четверт\w+|пят\w+)\b"
)
POWERS = (
    r"负|負|マイナス|마이너스|根号|根|ルート|루트|倒数|倍数|배수|平方(?![米厘千公分メセキmck])|立方(?![米厘千公分メセキmck])|제곱(?![미센킬])|2乗|二乗|倍の"
    r"|кратн|кратен|\b(?:múltiplo|multiplo|vielfache\w*|minus|menos|moins|meno|минус|raíz|racine|wurzel|raiz|radice|корень|doble|dobro|doppio|doppelte"
    r"|dreifache|вдвое|втрое|cuadrado"
    r"|carré|quadrat|quadrado|quadrato|квадрат[еау]?|hoch|cubo|куб[еау]?)\b"
)
RANGES = (
    r"以上|以下|以内|以外|至|から|まで|または|より|大于|小于|未満|多于|少于|超过|不足|이상|이하|또는|미만|초과|보다|부터|까지"
    r"|\b(?:mindestens|höchstens|mehr|weniger|größer|kleiner|más|mais|plus|più|mayor|menor|maior|supérieure?"
    r"|inférieure?|maggiore|minore|al menos"
    r"|como mucho|au moins|au plus|pelo menos|no máximo|almeno|более|больше|менее|меньше|по крайней|ou|oder|или"
    r"|sondern|sino|entre|zwischen"
    r"|tra|между|bis|hasta|jusqu|até|fino|до|от|не менее|не более)\b"
)
ROUGH = (
    r"左右|大约|约|約|およそ|ほぼ|약|거의|\b(?:aproximadamente|alrededor|casi|cerca|quase|environ|presque|etwa|ungefähr|quasi|около"
    r"|примерно|почти|приблизительно)\b"
)
ENGLISH_TOO = r"\b(?:multiples?|miles|demi|tiers|quarts?|triple|cube|circa|fast|o)\b"  # where they mean something else
# What makes another number of a value, or a range, whatever the language of the text is.
CHANGED_ANYWHERE = re.compile("|".join((MAGNITUDES, PARTS, POWERS, RANGES, ROUGH)), re.IGNORECASE)
# The same in a sentence of another language than English.
CHANGED = re.compile(f"{CHANGED_ANYWHERE.pattern}|{ENGLISH_TOO}", re.IGNORECASE)

EXAMPLES = (
    (CHANGED, "3 quarts", "quarts"),
    (CHANGED_ANYWHERE, "3 quarts", None),
    (CHANGED_ANYWHERE, "18 mil pesos", "mil"),
    (CHANGED, "18万", "万"),
    (CHANGED, "18 千米", None),
    (CHANGED, "5分之3", "分之"),
    (CHANGED, "3 平方米", None),
    (CHANGED, "3 Millionen", "Millionen"),
)
