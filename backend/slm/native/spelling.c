/* Whether a token leaves a story's last word one that is known, or the beginning of one. */
#include "spelling.h"

#include <string.h>

static int compare(const uint8_t *a, int32_t a_length, const uint8_t *b, int32_t b_length) {
    const int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

/* Whether a word begins with these bytes; with `whole`, whether they are one. */
static int holds(const Strings *words, const uint8_t *bytes, int32_t length, int whole) {
    int32_t low = 0, high = words->count;
    while (low < high) {
        const int32_t middle = (low + high) / 2, start = words->starts[middle];
        if (compare(words->bytes + start, words->starts[middle + 1] - start, bytes, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == words->count)
        return 0;
    const int32_t size = words->starts[low + 1] - words->starts[low];
    return (whole ? size == length : size >= length) && !memcmp(words->bytes + words->starts[low], bytes, length);
}

static int is_known(const Word *word, const uint8_t *bytes, int32_t length, int whole) {
    return !length || holds(&word->spelling->words, bytes, length, whole) || holds(&word->own, bytes, length, whole);
}

/* Bytes of the character at hand: 0 when it is none in UTF-8, more than `left` when its end is still to come. */
static int32_t character_size(const uint8_t *bytes, int32_t left) {
    const uint8_t first = bytes[0];
    const int32_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    for (int32_t i = 1; i < size && i < left; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

/* As `_ASIDE` in spelling.py has them. */
static int is_letter(const uint8_t *bytes, int32_t size) {
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = bytes[0] & masks[size];
    for (int32_t i = 1; i < size; i++)
        code = code << 6 | (bytes[i] & 0x3f);
    if (code < 0x80)
        return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
    const int digit = (code >= 0x966 && code <= 0x96f) || (code >= 0x9e6 && code <= 0x9ef);
    const int mark = code < 0xc0 || code == 0xd7 || code == 0xf7 || code == 0x964 || code == 0x965 || (code >= 0x3000 && code <= 0x303f);
    const int general = code >= 0x2000 && code <= 0x2bff && code != 0x200c && code != 0x200d;
    return !(digit || mark || general);
}

/* Whether so begun a character may become a mark or a digit. */
static int may_be_mark(const uint8_t *bytes, int32_t length) {
    const uint8_t second = length > 1 ? bytes[1] : 0;
    switch (bytes[0]) {
    case 0xc2:
    case 0xc3:
        return 1;
    case 0xe0:
        return !second || second == 0xa5 || second == 0xa7;
    case 0xe2:
        return second < 0xb0;
    case 0xe3:
        return !second || second == 0x80;
    }
    return 0;
}

/* The words among those that are named, by a bit each, that these bytes are a form of. */
static uint64_t named_by(const Named *named, const uint8_t *bytes, int32_t length) {
    uint64_t found = 0;
    for (int32_t i = 0; i < named->stems.count; i++) {
        const int32_t start = named->stems.starts[i], size = named->stems.starts[i + 1] - start;
        if (size <= length && !memcmp(named->stems.bytes + start, bytes, size))
            found |= (uint64_t)1 << named->words[i];
    }
    return found;
}

/* As `_SENTENCE_ENDS` in named.py has them. */
static int ends_sentence(const uint8_t *bytes, int32_t size) {
    return size == 1 ? *bytes == '.' || *bytes == '!' || *bytes == '?' || *bytes == '\n' : size == 3 && !memcmp(bytes, "\xe0\xa5\xa4", 3) /* danda */;
}

/* Whether a word may stand right behind a character, as `_OPENS` in named.py has them. */
static int opens_word(const uint8_t *bytes, int32_t size) {
    static const char *several[] = {"\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x80\x98", "\xe2\x80\x9c"}; /* dashes and opening quotes */
    for (int32_t i = 0; size == 3 && i < 4; i++)
        if (!memcmp(bytes, several[i], 3))
            return 1;
    return size == 1 && (*bytes == ' ' || *bytes == '\n' || *bytes == '(' || *bytes == '-');
}

typedef struct {
    int32_t begin;              /* of the last word */
    int32_t end;                /* of its last whole character */
    int known;                  /* whether all words that end before it are known */
    uint64_t said, in_sentence; /* what is named in them, and in the last sentence of them */
    int ended;                  /* whether a sentence ends in them */
    int opens;                  /* whether a word may stand right behind the character before the last */
} Reading;

static Reading read_words(const Word *word, const uint8_t *bytes, int32_t length) {
    Reading reading = {.known = 1};
    while (reading.end < length) {
        const uint8_t *here = bytes + reading.end;
        const int32_t size = character_size(here, length - reading.end);
        if (size > length - reading.end)
            break;
        /* In a word that is let be, a character may have begun a token before. */
        if (size ? !is_letter(here, size) : word->length >= 0) {
            const uint8_t *last = bytes + reading.begin;
            const int is_let_be = word->length < 0 && !reading.begin;
            reading.known = reading.known && size && (is_let_be || is_known(word, last, reading.end - reading.begin, 1));
            const uint64_t named = named_by(&word->named, last, reading.end - reading.begin);
            reading.said |= named;
            reading.in_sentence |= named;
            reading.opens = size && opens_word(here, size);
            if (size && ends_sentence(here, size)) {
                reading.ended = 1;
                reading.in_sentence = 0;
            }
            reading.begin = reading.end + (size ? size : 1);
        }
        reading.end += size ? size : 1;
    }
    return reading;
}

/* The last word and the token after it, at most `2 * WORD_BYTES` bytes. */
static int32_t joined(const Word *word, int32_t token, uint8_t *bytes) {
    const Strings *tokens = &word->spelling->tokens;
    const int32_t before = word->length < 0 ? 0 : word->length, start = tokens->starts[token];
    const int32_t more = tokens->starts[token + 1] - start, taken = more < WORD_BYTES ? more : WORD_BYTES;
    memcpy(bytes, word->bytes, before);
    memcpy(bytes + before, tokens->bytes + start, taken);
    return before + taken;
}

/* Whether a token may come next; one that ends the story does so where a word does. */
int word_takes(const Word *word, int32_t token) {
    if (token == word->spelling->eos)
        return word->length < 0 || is_known(word, word->bytes, word->length, 1);
    uint8_t bytes[2 * WORD_BYTES];
    const int32_t length = joined(word, token, bytes);
    if (length == (word->length < 0 ? 0 : word->length)) /* a token that stands for no text would end no word and go on for ever */
        return 0;
    const Reading reading = read_words(word, bytes, length);
    if (word->length < 0 && !reading.begin)
        return 1;
    const uint8_t *last = bytes + reading.begin;
    if (!reading.known)
        return 0;
    if (is_known(word, last, length - reading.begin, 0))
        return 1;
    return reading.end < length && may_be_mark(bytes + reading.end, length - reading.end) &&
           is_known(word, last, reading.end - reading.begin, 1);
}

static int is_at_hand(const Word *word, const Favoured *favoured) {
    const uint8_t *stem = word->named.stems.bytes + word->named.stems.starts[favoured->stem];
    if (favoured->place < 0)
        return word->length || !word->opens;
    return favoured->place == word->length && (word->length || word->opens) && !memcmp(stem, word->bytes, favoured->place);
}

/* Make likelier what the story has yet to say, what a word of the opening, once begun, goes on with, and the end of an open
 * opening, and less likely what its sentence has said. */
void word_favour(const Word *word, float *logits) {
    const Named *named = &word->named;
    const uint64_t now = named_by(named, word->bytes, word->length);
    for (int32_t i = 0; word->is_opening_s && i < named->stop_count; i++)
        logits[named->stops[i]] += named->stop_bonus;
    for (int32_t i = 0; i < named->count;) {
        /* Names that begin alike count once. */
        const int32_t token = named->favoured[i].token;
        float bonus = 0, again = 0;
        for (; i < named->count && named->favoured[i].token == token; i++) {
            const Favoured *favoured = named->favoured + i;
            const uint64_t bit = (uint64_t)1 << named->words[favoured->stem];
            if (!is_at_hand(word, favoured))
                continue;
            if (favoured->place > 0 || !((word->said | now) & bit))
                bonus = favoured->bonus > bonus ? favoured->bonus : bonus;
            else if ((word->in_sentence | now) & bit)
                again = named->again;
        }
        logits[token] += bonus > 0 ? bonus : again;
    }
}

/* What is begun for the second time counts as said, or a token that begins another word, too, would be favoured for ever. */
static void begin_words(Word *word, int32_t token) {
    for (int32_t i = 0; i < word->named.count; i++) {
        const Favoured *favoured = word->named.favoured + i;
        if (favoured->token != token || favoured->place > 0 || !is_at_hand(word, favoured))
            continue;
        const uint64_t bit = (uint64_t)1 << word->named.words[favoured->stem];
        word->said |= word->begun & bit;
        word->begun |= bit;
    }
}

/* A token has come. */
void word_add(Word *word, int32_t token) {
    begin_words(word, token);
    uint8_t bytes[2 * WORD_BYTES];
    const int32_t length = joined(word, token, bytes);
    const Reading reading = read_words(word, bytes, length);
    if (word->length < 0 && !reading.begin)
        return;
    word->in_sentence = reading.in_sentence | (reading.ended ? 0 : word->in_sentence);
    if (reading.begin && !word->is_opening_s)
        word->said |= reading.said;
    if (reading.begin) {
        word->is_opening_s = 0;
        word->opens = reading.opens;
    }
    word->length = length - reading.begin <= WORD_BYTES ? length - reading.begin : -1;
    if (word->length > 0)
        memcpy(word->bytes, bytes + reading.begin, word->length);
}

/* A story begins with these tokens. */
void word_begin(Word *word, const Spelling *spelling, const Strings *own, const Named *named, const int32_t *ids, int32_t count) {
    *word = (Word){.spelling = spelling, .own = *own, .named = *named};
    for (int32_t i = 0; i < count; i++)
        word_add(word, ids[i]);
    word->said = word->begun = 0;
    word->is_opening_s = word->length != 0;
}
