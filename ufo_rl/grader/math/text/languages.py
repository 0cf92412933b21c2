"""How "the answer is" is said in nine languages, and the words around a value that doubt, deny or change it.

English has rules of its own in `sentence`. Words of all languages stand in common tables: none of them is a unit elsewhere.
"""

# ruff: noqa: RUF001  (signs that look alike are what this file is about)
from __future__ import annotations

import re
from typing import NamedTuple


class Language(NamedTuple):
    """stems: a text without any of these says nothing in the language. marker: ends where the answer begins; group `mid`
    are words that may deny it, group `colon` is there where no verb is. has_comma: decimals have a comma."""

    stems: tuple[str, ...]
    marker: re.Pattern[str]
    has_comma: bool


COLON = r"[*_]*\s*(?P<colon>[:：])[*_]*"
MID = r"(?P<mid>(?:\s+(?!(?:es|est|ist|é|è)\b)[^\W\d_]+){0,4}?)"


def _latin(stem: str, noun: str, final: str, verb: str, before: str = "") -> Language:
    """`before` is another order of words, without a group."""
    said = rf"(?<![-\w]){noun}(?:(?:\s+(?:{final}))?{COLON}|{MID}\s+(?:{verb})(?![-\w])[*_]*\s*:?[*_]*)"
    stems = dict.fromkeys(form(one) for one in (stem, stem.replace("é", "e")) for form in (str, str.upper))
    return Language(tuple(stems), re.compile(f"(?:{said}{before})", re.IGNORECASE), True)


CHINESE = Language(
    ("答", "选"),
    re.compile(
        r"【[^】\n]{0,4}答案】(?P<colon>)[:：]?|(?:答案|正确的?选项)(?:[”』」*_]*\s*(?P<title>[:：])"
        r"|(?P<mid>[^\s，。,.:：；！!？?、的是为]{0,6})(?:是|为|等于|即|选(?!项)))[*_]*\s*[:：]?[*_]*"
        r"|(?:故|因此|所以|应|本题|综上)[,，]?(?:本题)?应?选择?[:：]?(?=\s*[(（$]*[A-J])"
        r"|(?:^|(?<=[\s。．.;；)）]))答\s*(?P<reply>[:：])"
    ),
    False,
)
JAPANESE = Language(
    ("答", "正解"),
    re.compile(
        r"【[^】\n]{0,4}(?:答え|正解|解答)】(?P<colon>)[:：]?|(?:答え|正解|解答|回答)(?:は[、,]?|[*_]*\s*(?P<title>[:：]))[*_]*"
        r"|答え[ \u3000]+(?=[-−$\\\d０-９])"
    ),
    False,
)
KOREAN = Language(("답",), re.compile(rf"(?<![가-힣])(?:정답|답안|해답|답)(?:[은는](?![가-힣])|{COLON})[*_]*"), False)
RUSSIAN = Language(
    ("твет", "ТВЕТ"),
    re.compile(
        rf"(?<![-\w])ответ(?:ом)?(?:{COLON}|(?P<mid>(?:\s+[а-яё]+){{0,3}}?)\s*(?:[—–-]|\s(?:это|равен|равно|составляет"
        r"|является|будет|таков)(?!\w)|\s(?=[-−\d$\\])|\s(?=не\s))[*_]*\s*:?[*_]*)",
        re.IGNORECASE,
    ),
    True,
)
LANGUAGES = (
    CHINESE,
    JAPANESE,
    KOREAN,
    RUSSIAN,
    _latin("espuesta", "respuesta", "final|correcta|definitiva", "es|será|sería|debe ser|da"),
    _latin("éponse", "r[ée]ponse", "finale|correcte|définitive", r"(?:n['’])?est|(?:ne )?sera(?:it)?|vaut|doit être"),
    _latin(
        "ntwort",
        "antwort",
        "endgültig",
        "ist|lautet|wäre|beträgt",
        r"|(?:ist|lautet|wäre|beträgt)\s+(?:die|unsere)\s+(?:\w+e\s+)?antwort\b[*_]*\s*:?[*_]*",
    ),
    _latin("esposta", "resposta", "final|correta|definitiva", "é|será|seria|deve ser"),
    _latin("isposta", "risposta", "finale|corretta|definitiva", "è|sarà|sarebbe"),
)

# A title of its own line, of which the answer is the next one. English is among them.
HEADING = re.compile(
    r"^(?:#{1,6}[ \t]*[*_]*|[*_]{2,3})(?:[^\W\d_]+[ \t]+){0,2}(?:answer|respuesta|réponse|antwort|resposta"
    r"|risposta|ответ"
    r"|(?:最终|正确)?答案|答え|正解|정답|답)(?:[ \t]+(?:final|finale|correcta|correcte|correta))?[*_]*[:：]?[*_]*[ \t]*$"
    r"|^(?:最终|正确)?答案[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
# What makes it a condition, or somebody's belief that is denied: directly before the marker.
IF = re.compile(
    r"(?:\b(?:si|se|wenn|falls|ob|если(?: бы)?)\s(?:la|a|die|der)?\s*"
    r"|(?:如果|若|假设|假如|要是|倘若|即使|もし|만약|만일)[^，。,.\n]{0,20}|(?:不能|不是|不可|不该|不应|不会|没法|无法|没有?人|谁|别|并未|从未|不)说"
    r"|(?:不|没|未)(?:觉得|认为|相信|确定|知道)"
    r"|\b(?:denke|glaube|meine)\s+nicht,\s*(?:die\s+)?|\b(?:falsch|verkehrt|unmöglich)\s+|\b(?:jamás|nunca|jamais|niemals|никогда|mai)\s+(?:(?:la|a|die)\s+)?"
    r"|\b(?:no|nadie|pas|personne|não|ninguém|nicht|niemand|не|никто|non|nessuno|falso|faux|falsch|imposible|impossible"
    r"|impossível|unmöglich|неверно|невозможно|неправда|errado|dudo|doute|duvido|bezweifle|dubito|сомневаюсь)\b"
    r"[^.,:;!?]{0,30},?\s*\b(?:que|dass|что|che)\s+(?:(?:la|a|die)\s+)?)$",
    re.IGNORECASE,
)
# What denies the value: in front of it, behind it, or in the words between noun and verb.
DENIED = re.compile(
    r"\b(?:no|nunca|jamás|ni|tampoco|pas|ne|non|jamais|aucune?|nicht|kein\w*|keineswegs|nie|niemals|não|nem|не|нет|ни"
    r"|никогда|нельзя|impossible|imposible|unmöglich|impossível)\b|не(?:верн|верен|правил|льзя|возмож|извест|допустим)"
    r"|исключ[её]н|[不非没]|未必|才怪|ない|なかった|ありませ|ません|違|아니|아닙|않|없",
    re.IGNORECASE,
)
WRONG = re.compile(
    r"\b(?:incorrect[ao]?|incorrecte|fals[aoch]+|faux|fauss?e?|errad[ao]|errónea|err[ao]n?e[ao]|sbagliat[ao]"
    r"|equivocada)\b|неверн|неверен|неправил"
    r"|ошибоч|错|不对|不正确|間違|誤り|틀[렸린]",
    re.IGNORECASE,
)
OTHERS = re.compile(
    r"其他|其它|其余|остальн|demás|otras|autres|ander[en]|outr[ao]s|altre|他の|ほか|나머지|다른"
    r"|(?<![A-Za-z])(?-i:[A-J])(?![A-Za-z])",
    re.IGNORECASE,
)
# A reason follows: what is wrong in it is not the answer.
REASON = re.compile(
    r"\b(?:porque|pois|car|parce|weil|denn|da|perché|потому|так как|ya que|puesto que|puisque)\b|因为|なぜなら|왜냐하면",
    re.IGNORECASE,
)
# What doubts it or asks.
DOUBTED = re.compile(
    r"\b(?:quizás?|tal vez|posiblemente|peut-être|probablement|vielleicht|möglicherweise|wahrscheinlich|talvez"
    r"|possivelmente|forse|magari|возможно|может|наверное|вероятно)\b|可能|也许|或许|大概|是否|吗|呢|几|多少|什么"
    r"|\bбы\b|でしょうか|ですか|だろう|だったら|かも|なら|とすると|とすれば|何|どちら|인가요|일까|수도|라면|인지|무엇|입니까",
    re.IGNORECASE,
)
# The number is of answers or of a place, not the answer.
ELSEWHERE = re.compile(
    r"[つ個通種][り類]?が?(?:あ[りる]|存在)|(?:개|가지)가?\s*(?:있|존재)|(?:ページ|頁)[にを]|페이지[에를]|[页頁](?:上|中|里|可|有)|番目の|번째"
    r"|\b(?:página|seite|pagina|страниц\w+|вопрос\w*|упражнени\w+|номер\w*)\b",
    re.IGNORECASE,
)
# Not the one but the other: what is denied in front of the answer.
NOT_BUT = re.compile(
    r"\s*(?:(?:nicht|no|pas|não|non|не)\s+[^\s,]+,?\s+(?:sondern|sino|mais|mas|bensì|а)\s+"
    r"|[^\s,，。]+?\s?(?:ではなく|じゃなく)て?[、,]?\s*|[^\s,，。]+?\s?[이가]?\s?아니라\s+|[^\s,，。]+?\s?[，,]?\s?而是)(?=[-−$\\(\d]|[A-J]\b)",
    re.IGNORECASE,
)
# The same where the denial stands in front of the verb.
BUT = re.compile(r"\s*[^\s,，。]+,?\s+(?:sondern|sino|mais|mas|ma|bensì|а)\s+(?=[-−$\\(\d]|[A-J]\b)", re.IGNORECASE)
# The next sentence takes it back.
TAKEN_BACK = re.compile(
    r"[\s!?\u3002\uff01\uff1f¡]*(?:(?:不对|不正确|不是|错)了?[!！。，,.]|間違|違[いう]|誤り|いいえ|틀[렸린]|아니|\b(?:no|non|nein|não|нет)\s*[!.,;]"
    r"|(?:(?:eso|esto|das|ce|isso|isto|è|это|c['’]|es|é)\s*){0,2}(?:(?:es|está|est|ist|é|è)\s+)?"
    r"\b(?:falso|falsch|faux|incorrect[oa]?|errado|sbagliato|неверно|неправильно|mentira)\b)",
    re.IGNORECASE,
)
# Part of a way, not its end.
STEP = re.compile(r"\b(?:schritt|paso|étape|шаг|passo)\b|步|ステップ|단계|第", re.IGNORECASE)
# Words between the verb and the value that change nothing.
LEAD = re.compile(
    r"(?:[\s,:，：*_\"“”「『]|\b(?:donc|alors|ainsi|par conséquent|also|daher|somit|damit|folglich|dann|demnach"
    r"|por (?:lo )?tanto|entonces|pues"
    r"|portanto|então|logo|assim|quindi|dunque|perciò|de|igual a|égale? à|gleich|uguale a|число|таким образом"
    r"|следовательно"
    r"|(?:(?:la|a|die|der) )?(?:opción|respuesta|réponse|resposta|risposta"
    r"|alternativa|letra|lettre|option|opção|lettera|opzione|inciso|вариант))\b"
    r"|R\$|US\$|CHF|时速|時速|毎時|毎分|毎秒|시속|초속|분속|选项|選択肢|应该|就)*+",
    re.IGNORECASE,
)
FOLLOWS = re.compile(
    r"(?:as follows|la siguiente|el siguiente|la suivante|folgende\w*|wie folgt|a seguinte|la seguente"
    r"|следующий|如下|以下|次の通り|以下の通り"
    r"|다음과 같)[^\n]{0,10}\n",
    re.IGNORECASE,
)
PERCENT = re.compile(
    r"\s*(?:\b(?:por ciento|pour cent|prozent|por cento|per cento|процент\w*)\b|パーセント|퍼센트)", re.IGNORECASE
)
# One value and the next.
AND = re.compile(
    r"\s*(?:、|和|与|及|或|\bи\b|\bили\b|と|または|와|과|및|또는|\b(?:y|o|e|et|ou|und|oder)\b)\s*(?=[-−+]?[\d$\\(]|[A-Za-z]\s?=)",
    re.IGNORECASE,
)

EXAMPLES = (
    *(
        (one.marker, text, found)
        for one, text, found in zip(
            LANGUAGES,
            (
                "所以答案应该是 42。",
                "答えは 42 です",
                "최종 답: 18",
                "Ответ — 11",
                "la respuesta final es: 18",
                "La réponse est donc 18",
                "Somit lautet die Antwort 7",
                "A resposta é: 42",
                "Risposta: 42",
            ),
            (
                "答案应该是 ",
                "答えは",
                "답:",
                "Ответ — ",
                "respuesta final es:",
                "réponse est ",
                "lautet die Antwort ",
                "resposta é:",
                "Risposta:",
            ),
            strict=True,
        )
    ),
    (HEADING, "### Final Answer\n18", "### Final Answer"),
    (HEADING, "### Answer check\n18", None),
    (IF, "Si la ", "Si la "),
    (DENIED, "nicht 18", "nicht"),
    (WRONG, "es incorrecta", "incorrecta"),
    (OTHERS, "其他选项", "其他"),
    (REASON, "B, weil A falsch ist", "weil"),
    (DOUBTED, "quizás 18", "quizás"),
    (ELSEWHERE, "3 つあります", "つあり"),
    (ELSEWHERE, "3 ページです", None),
    (NOT_BUT, " nicht 42, sondern 43", " nicht 42, sondern "),
    (NOT_BUT, "9가 아니라 10입니다", "9가 아니라 "),
    (NOT_BUT, "nicht 42", None),
    (BUT, "11 sino 12", "11 sino "),
    (TAKEN_BACK, " Das ist falsch.", " Das ist falsch"),
    (TAKEN_BACK, " No hay más.", None),
    (STEP, "Schritt 1", "Schritt"),
    (LEAD, " donc 18", " donc "),
    (FOLLOWS, "如下：\n18", "如下：\n"),
    (PERCENT, "3 por ciento", " por ciento"),
    (AND, "2 y 3", " y "),
)
