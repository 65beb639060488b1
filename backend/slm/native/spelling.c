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

typedef struct {
    int32_t begin; /* of the last word */
    int32_t end;   /* of its last whole character */
    int known;     /* whether all words that end before it are known */
} Reading;

static Reading read_words(const Word *word, const uint8_t *bytes, int32_t length) {
    Reading reading = {0, 0, 1};
    while (reading.end < length) {
        const uint8_t *here = bytes + reading.end;
        const int32_t size = character_size(here, length - reading.end);
        if (size > length - reading.end)
            break;
        if (!size || !is_letter(here, size)) {
            reading.known = reading.known && size && is_known(word, bytes + reading.begin, reading.end - reading.begin, 1);
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
    if (word->length < 0)
        return 1;
    if (token == word->spelling->eos)
        return is_known(word, word->bytes, word->length, 1);
    uint8_t bytes[2 * WORD_BYTES];
    const int32_t length = joined(word, token, bytes);
    if (length == word->length) /* a token that stands for no text would end no word and go on for ever */
        return 0;
    const Reading reading = read_words(word, bytes, length);
    const uint8_t *last = bytes + reading.begin;
    if (!reading.known)
        return 0;
    if (is_known(word, last, length - reading.begin, 0))
        return 1;
    return reading.end < length && may_be_mark(bytes + reading.end, length - reading.end) &&
           is_known(word, last, reading.end - reading.begin, 1);
}

static int is_at_hand(const Word *word, const Favoured *favoured) { return !favoured->bare || !word->length; }

/* Make likelier what the story has yet to say. */
void word_favour(const Word *word, float *logits) {
    for (int32_t i = 0; i < word->favoured_count; i++)
        if (is_at_hand(word, word->favoured + i))
            logits[word->favoured[i].token] += word->favoured[i].bonus;
}

static void strike_out(Word *word, int32_t token) {
    int32_t said = -1, kept = 0;
    for (int32_t i = 0; i < word->favoured_count; i++)
        if (word->favoured[i].token == token && is_at_hand(word, word->favoured + i))
            said = word->favoured[i].word;
    for (int32_t i = 0; i < word->favoured_count; i++)
        if (word->favoured[i].word != said)
            word->favoured[kept++] = word->favoured[i];
    word->favoured_count = kept;
}

/* A token has come. */
void word_add(Word *word, int32_t token) {
    strike_out(word, token);
    uint8_t bytes[2 * WORD_BYTES];
    const int32_t length = joined(word, token, bytes);
    const Reading reading = read_words(word, bytes, length);
    if (word->length < 0 && !reading.begin)
        return;
    word->length = length - reading.begin <= WORD_BYTES ? length - reading.begin : -1;
    if (word->length > 0)
        memcpy(word->bytes, bytes + reading.begin, word->length);
}

/* A story begins with these tokens. */
void word_begin(
    Word *word, const Spelling *spelling, const Strings *own, const Favoured *favoured, int32_t favoured_count, const int32_t *ids, int32_t count
) {
    word->spelling = spelling;
    word->own = *own;
    word->length = word->favoured_count = 0;
    for (int32_t i = 0; i < count; i++)
        word_add(word, ids[i]);
    word->favoured_count = favoured_count < FAVOURED ? favoured_count : FAVOURED;
    memcpy(word->favoured, favoured, word->favoured_count * sizeof *favoured);
}
