/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that tell who somebody is (personal.h), in the order in which they are tried:
 *
 *      an @: e-mail | colons or three points: network address | five digits at least: card,
 *      national number, account, phone
 *
 * Those with check digits come before forms that many other numbers have, too. Check digits: Luhn
 * (ISO/IEC 7812-1 annex B), remainders by 97 (ISO 7064) and by 23 (Spain).
 */
#include "table/personal.h"

#include <arpa/inet.h>
#include <string.h>

#include "table/schema.h"

#define DIGITS_MAX 40u

static bool is_letter(char c) {
    return ((char)(c | 0x20) >= 'a') && ((char)(c | 0x20) <= 'z');
}

static char upper(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 0x20) : c;
}

const char *tm__personal_text(tm_personal kind) {
    static const char *const texts[TM_PERSONALS] = {"email", "phone",    "card",
                                                    "iban",  "national", "ip"};
    return texts[kind];
}

const char *tm__personal_words(tm_personal kind) {
    static const char *const words[TM_PERSONALS] = {"e-mail addresses",     "phone numbers",
                                                    "payment card numbers", "bank account numbers",
                                                    "national numbers",     "network addresses"};
    return words[kind];
}

/* Whether a text has this form: 9 a digit, A a letter, other characters themselves. */
static bool has_form(tm_str text, const char *form) {
    const size_t len = strlen(form);
    bool has = text.len == len;
    for (size_t i = 0; has && i < len; i++) {
        const char c = text.ptr[i];
        has = form[i] == '9' ? tm__is_digit(c) : form[i] == 'A' ? is_letter(c) : c == form[i];
    }
    return has;
}

/* ---- numbers with check digits ---- */

/* Digits of a text in which single blanks or hyphens may stand between them; 0: something else. */
static size_t take_digits(tm_str text, uint8_t out[DIGITS_MAX]) {
    size_t n = 0;
    bool was_digit = false;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (tm__is_digit(c) && n < DIGITS_MAX) {
            out[n++] = (uint8_t)(c - '0');
            was_digit = true;
        } else if ((c == ' ' || c == '-') && was_digit) {
            was_digit = false;
        } else {
            return 0;
        }
    }
    return was_digit ? n : 0;
}

/* ISO/IEC 7812-1 annex B. */
static bool is_luhn(const uint8_t *digits, size_t n) {
    uint32_t sum = 0;
    bool differs = false;
    for (size_t i = 0; i < n; i++) {
        const uint32_t digit = digits[n - 1 - i];
        const uint32_t twice = 2 * digit;
        sum += i % 2 == 0 ? digit : twice > 9 ? twice - 9 : twice;
        differs = differs || digits[i] != digits[0];
    }
    return differs && sum % 10 == 0;
}

/* First digits of cards: 34 to 37 and 30 to 39 of travel, 4, 51 to 55, 2221 to 2720, 6. */
static bool is_card(tm_str text) {
    uint8_t d[DIGITS_MAX];
    const size_t n = take_digits(text, d);
    if (n < 13 || n > 19) {
        return false;
    }
    const uint32_t four = d[0] * 1000u + d[1] * 100u + d[2] * 10u + d[3];
    const bool is_issued = d[0] == 3 || d[0] == 4 || d[0] == 6 || (d[0] == 5 && d[1] >= 1) ||
                           (four >= 2221 && four <= 2720);
    return is_issued && is_luhn(d, n);
}

/* The remainder by 97 of digits and letters (A is 10), of which the first four count last. */
static bool is_iban(tm_str text) {
    char all[40];
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ' && n % 4 == 0 && n > 0) {
            continue; /* groups of four on paper */
        }
        if (n == sizeof(all) || !(tm__is_digit(text.ptr[i]) || is_letter(text.ptr[i]))) {
            return false;
        }
        all[n++] = upper(text.ptr[i]);
    }
    if (n < 15 || n > 34 || !is_letter(all[0]) || !is_letter(all[1]) || !tm__is_digit(all[2]) ||
        !tm__is_digit(all[3])) {
        return false;
    }
    uint32_t rest = 0;
    for (size_t i = 0; i < n; i++) {
        const char c = all[(i + 4) % n];
        rest = tm__is_digit(c) ? (rest * 10 + (uint32_t)(c - '0')) % 97
                               : (rest * 100 + (uint32_t)(c - 'A') + 10) % 97;
    }
    return rest == 1;
}

/* Spain: eight digits (X, Y or Z for the first of foreigners), and a letter by their remainder. */
static bool is_spanish(tm_str text) {
    static const char letters[] = "TRWAGMYFPDXBNJZSQVHLCKE";
    if (!has_form(text, "99999999A") && !has_form(text, "A9999999A")) {
        return false;
    }
    const char first = upper(text.ptr[0]);
    if (!tm__is_digit(first) && (first < 'X' || first > 'Z')) {
        return false;
    }
    uint32_t number = tm__is_digit(first) ? (uint32_t)(first - '0') : (uint32_t)(first - 'X');
    for (size_t i = 1; i < 8; i++) {
        number = number * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    return upper(text.ptr[8]) == letters[number % 23];
}

/* France: sex, year, month, place and order, and 97 less their remainder. */
static bool is_french(tm_str text) {
    uint8_t d[DIGITS_MAX];
    if (take_digits(text, d) != 15 || (d[0] != 1 && d[0] != 2)) {
        return false;
    }
    uint64_t number = 0;
    for (size_t i = 0; i < 13; i++) {
        number = number * 10 + d[i];
    }
    return 97 - number % 97 == d[13] * 10u + d[14];
}

/* The digits of the United States are only told by their hyphens; Great Britain has no check. */
static bool is_national(tm_str text) {
    return has_form(text, "999-99-9999") || has_form(text, "AA999999A") ||
           has_form(text, "AAAAAA99A99A999A") || is_spanish(text) || is_french(text);
}

/* ---- others ---- */

/* As on paper: with a plus, or with two signs at least between its digits. */
static bool is_phone(tm_str text) {
    uint32_t n_digits = 0, n_signs = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (tm__is_digit(text.ptr[i])) {
            n_digits++;
        } else if (memchr(" -.()/+", text.ptr[i], 7) != NULL) {
            n_signs++;
        } else {
            return false;
        }
    }
    return n_digits >= 9 && n_digits <= 15 && (n_signs >= 2 || text.ptr[0] == '+');
}

static bool is_address(tm_str text) {
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr made;
    if (text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET, copy, &made) == 1 ||
           (text.len > 4 && inet_pton(AF_INET6, copy, &made) == 1);
}

/* What stands in a text. */
typedef struct signs {
    uint32_t n_digits, n_colons, n_points, n_at;
} signs;

static signs count_signs(tm_str text) {
    signs s = {0};
    for (size_t i = 0; i < text.len; i++) {
        s.n_digits += tm__is_digit(text.ptr[i]);
        s.n_colons += text.ptr[i] == ':';
        s.n_points += text.ptr[i] == '.';
        s.n_at += text.ptr[i] == '@';
    }
    return s;
}

/* Whether some kind may be in it. */
static bool may_tell(signs s) {
    return s.n_at > 0 || s.n_digits >= 5 || s.n_colons >= 2 || s.n_points >= 3;
}

tm_personal tm__personal_of(tm_str text) {
    const signs s = count_signs(text);
    if (s.n_at > 0) {
        return tm__text_is_email(text) ? TM_PERSONAL_EMAIL : TM_PERSONALS;
    }
    if ((s.n_colons >= 2 || s.n_points == 3) && is_address(text)) {
        return TM_PERSONAL_IP;
    }
    if (s.n_digits < 5) {
        return TM_PERSONALS;
    }
    return is_card(text)       ? TM_PERSONAL_CARD
           : is_national(text) ? TM_PERSONAL_NATIONAL
           : is_iban(text)     ? TM_PERSONAL_IBAN
           : is_phone(text)    ? TM_PERSONAL_PHONE
                               : TM_PERSONALS;
}

/* ---- texts ---- */

static bool is_between(char c) {
    return c == ' ' || c == ',' || c == ';' || c == '<' || c == '>' || c == '"' || c == '\'' ||
           c == '\n' || c == '\r' || c == '\t' || c == '|';
}

uint32_t tm__personal_in(tm_str text) {
    if (!may_tell(count_signs(text))) {
        return 0;
    }
    const tm_personal whole = tm__personal_of(text);
    if (whole != TM_PERSONALS) {
        return 1u << whole;
    }
    uint32_t kinds = 0;
    for (size_t i = 0; i < text.len;) {
        size_t end = i;
        while (end < text.len && !is_between(text.ptr[end])) {
            end++;
        }
        size_t stop = end; /* of a sentence, a list */
        while (stop > i && strchr(".:!?", text.ptr[stop - 1]) != NULL) {
            stop--;
        }
        const tm_personal kind = tm__personal_of((tm_str){text.ptr + i, stop - i});
        kinds |= kind == TM_PERSONALS ? 0 : 1u << kind;
        i = end + 1;
    }
    return kinds;
}

/* ---- names of columns ---- */

const char *tm__personal_column(const char *name) {
    static const struct {
        const char *part, *what;
    } parts[] = {{"firstname", "names of people"},       {"lastname", "names of people"},
                 {"surname", "names of people"},         {"fullname", "names of people"},
                 {"givenname", "names of people"},       {"familyname", "names of people"},
                 {"maidenname", "names of people"},      {"dateofbirth", "birth dates"},
                 {"birthdate", "birth dates"},           {"birthday", "birth dates"},
                 {"email", "e-mail addresses"},          {"phone", "phone numbers"},
                 {"telephone", "phone numbers"},         {"mobilenumber", "phone numbers"},
                 {"socialsecurity", "national numbers"}, {"passport", "national numbers"},
                 {"creditcard", "payment card numbers"}, {"cardnumber", "payment card numbers"},
                 {"streetaddress", "addresses"},         {"homeaddress", "addresses"},
                 {"postaladdress", "addresses"},         {"ipaddress", "network addresses"}};
    static const struct {
        const char *whole, *what;
    } wholes[] = {{"dob", "birth dates"},         {"ssn", "national numbers"},
                  {"born", "birth dates"},        {"iban", "bank account numbers"},
                  {"address", "addresses"},       {"zip", "postal codes"},
                  {"zipcode", "postal codes"},    {"postcode", "postal codes"},
                  {"postalcode", "postal codes"}, {"ip", "network addresses"},
                  {"lastip", "network addresses"}};
    char plain[64]; /* letters alone, lower */
    size_t n = 0;
    for (size_t i = 0; name[i] != '\0' && n + 1 < sizeof(plain); i++) {
        if (is_letter(name[i])) {
            plain[n++] = (char)(name[i] | 0x20);
        }
    }
    plain[n] = '\0';
    for (size_t i = 0; i < sizeof(wholes) / sizeof(wholes[0]); i++) {
        if (strcmp(plain, wholes[i].whole) == 0) {
            return wholes[i].what;
        }
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strstr(plain, parts[i].part) != NULL) {
            return parts[i].what;
        }
    }
    return NULL;
}

const char *tm__personal_policy(const char *words) {
    static const struct {
        const char *words, *policy;
    } policies[] = {{"e-mail addresses", "pseudonym"},
                    {"phone numbers", "drop"},
                    {"payment card numbers", "drop"},
                    {"bank account numbers", "drop"},
                    {"national numbers", "drop"},
                    {"names of people", "drop"},
                    {"addresses", "drop"},
                    {"birth dates", "generalise:year"},
                    {"postal codes", "generalise:prefix:2"},
                    {"network addresses", "generalise:ip"}};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        if (strcmp(words, policies[i].words) == 0) {
            return policies[i].policy;
        }
    }
    return NULL;
}
