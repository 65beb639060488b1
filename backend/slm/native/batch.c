/* Many stories at once: each step gives every story that is under way its next token. */
#define _GNU_SOURCE
#include "decoder.h"

#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    READ_AT_ONCE = 64,  /* tokens of openings in one step: a long one must not keep the others waiting */
    FIRST_WORD = 4,     /* tokens that are told at once: the first may be half a letter, and the second may still change it */
    WORTH_WAITING = 16, /* tokens that two openings share, from which on the second waits for what the first makes of them */
};

typedef struct {
    int32_t active;
    int32_t reading; /* nothing is told: the opening itself is read, with so many alternatives, or -1 */
    int32_t given;   /* tokens of the opening */
    int32_t known;   /* tokens, those of the opening included */
    int32_t read;    /* of them those whose keys and values are there */
    int32_t limit;   /* of known tokens */
    int32_t told;    /* of known tokens */
    uint64_t order;  /* of its beginning */
    Sampling sampling;
    int32_t *ids;
    Reading *readings; /* of the opening's tokens, and their alternatives; the first has none */
    Candidate *alternatives;
    Word word;     /* the last one, where the model's words are known */
    uint8_t *seen; /* which tokens of the vocabulary have been said, when that is asked for */
} Slot;

typedef struct {
    Decoder decoder;
    Spelling spelling;
    Cache cache;
    Workspace work;
    Slot *slots;
    Row *rows;
    Candidate *candidates; /* room for the vocabulary, for each thread */
    int32_t *owners;       /* the row that each row of the logits is of */
    int32_t slot_count, threads, eos;
    uint64_t begun;
} Batch;

/* NULL when there is no memory for it. What the decoder points to must outlive the batch. */
Batch *batch_new(const Decoder *decoder, int32_t slots, int32_t threads, int32_t eos) {
    Batch *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->decoder = *decoder;
    b->slot_count = slots;
    b->threads = threads;
    b->eos = eos;
    const int32_t capacity = slots + READ_AT_ONCE;
    b->slots = calloc(slots, sizeof *b->slots);
    b->rows = calloc(capacity, sizeof *b->rows);
    b->owners = calloc(capacity, sizeof *b->owners);
    b->candidates = malloc((size_t)threads * decoder->vocab_size * sizeof *b->candidates);
    int whole = b->slots && b->rows && b->owners && b->candidates;
    whole = workspace_new(&b->work, decoder, capacity) && cache_new(&b->cache, decoder, slots) && whole;
    for (int32_t i = 0; whole && i < slots; i++) {
        b->slots[i].ids = calloc(decoder->context, sizeof(int32_t));
        b->slots[i].seen = calloc(decoder->vocab_size, 1);
        whole = b->slots[i].ids && b->slots[i].seen;
    }
    return whole ? b : NULL;
}

static int make_room(Slot *s, int32_t count, int32_t alternatives) {
    free(s->readings);
    free(s->alternatives);
    s->readings = calloc(count, sizeof *s->readings);
    s->alternatives = calloc((size_t)count * alternatives + 1, sizeof *s->alternatives);
    return s->readings && s->alternatives;
}

/* Let stories be of these words alone. What the strings point to must outlive the batch. */
void batch_spell(Batch *b, const Spelling *spelling) { b->spelling = *spelling; }

/* Let the story that begins in a slot use `own` words besides, and keep to what is named; both must stay until it has ended. */
void batch_words(Batch *b, int32_t slot, const Strings *own, const Named *named) {
    Slot *s = b->slots + slot;
    word_begin(&s->word, &b->spelling, own, named, s->ids, s->given);
}

/* The slot in which a story begins, or -1 when there is no room. With `reading` alternatives or none the opening is read
 * instead; it is -1 for a story. */
int32_t batch_begin(Batch *b, const int32_t *ids, int32_t count, int32_t new_tokens, const Sampling *sampling, int32_t reading) {
    int32_t free = 0;
    while (free < b->slot_count && b->slots[free].active)
        free++;
    if (free == b->slot_count)
        return -1;
    Slot *s = b->slots + free;
    if (reading >= 0 && !make_room(s, count, reading))
        return -1;
    /* What it holds of an earlier story with the same beginning is kept. */
    int32_t kept = 0;
    while (reading < 0 && kept < s->read && kept < count - 1 && s->ids[kept] == ids[kept])
        kept++;
    memcpy(s->ids, ids, count * sizeof *ids);
    s->active = 1;
    s->reading = reading;
    s->given = s->known = s->told = count;
    s->read = kept;
    s->limit = count + new_tokens < b->decoder.context ? count + new_tokens : b->decoder.context;
    s->order = ++b->begun;
    s->sampling = *sampling;
    if (sampling->repetition_penalty != 1) {
        memset(s->seen, 0, b->decoder.vocab_size);
        for (int32_t i = 0; i < count; i++)
            s->seen[ids[i]] = 1;
    }
    return free;
}

/* Free a slot. */
void batch_end(Batch *b, int32_t slot) { b->slots[slot].active = 0; }

static int32_t shared(const Slot *a, const Slot *b) {
    const int32_t most = a->given - 1 < b->known ? a->given - 1 : b->known;
    int32_t count = 0;
    while (count < most && a->ids[count] == b->ids[count])
        count++;
    return count;
}

/* Take over what another story has made of the same beginning; 1 when it is worth waiting for what it is about to make. */
static int take_over(Batch *b, int32_t slot) {
    Slot *s = b->slots + slot;
    int32_t best = s->read, from = slot;
    for (int32_t i = 0; i < b->slot_count; i++) {
        const Slot *other = b->slots + i;
        const int32_t common = i == slot ? 0 : shared(s, other);
        const int32_t ready = common < other->read ? common : other->read;
        if (other->active && other->order < s->order && common >= ready + WORTH_WAITING && common > best)
            return 1;
        if (ready > best) {
            best = ready;
            from = i;
        }
    }
    if (from != slot) {
        cache_copy(&b->cache, &b->decoder, from, slot, best);
        s->read = best;
    }
    return 0;
}

/* The rows of one step. `wanted` is the number of logits. */
static int32_t gather(Batch *b, int32_t *wanted) {
    int32_t count = 0, openings = 0;
    *wanted = 0;
    for (int32_t i = 0; i < b->slot_count; i++) {
        Slot *s = b->slots + i;
        if (!s->active)
            continue;
        if (s->read < s->given - 1 && s->reading < 0 && take_over(b, i))
            continue;
        const int32_t left = s->known - s->read, room = READ_AT_ONCE - openings;
        const int32_t take = left == 1 || left <= room ? left : room;
        openings += left == 1 ? 0 : take;
        for (int32_t j = 0; j < take; j++) {
            const int32_t position = s->read + j;
            const int asks = s->reading < 0 ? position + 1 == s->known : position + 1 < s->given;
            b->rows[count++] = (Row){s->ids[position], i, position, asks ? *wanted : -1};
            if (asks)
                b->owners[(*wanted)++] = count - 1;
        }
    }
    return count;
}

static int32_t thread_number(void);

/* The next token of a row's story, or what it says of the token that is there. */
static void settle(Batch *b, int32_t logits_row) {
    const Row *row = b->rows + b->owners[logits_row];
    Slot *s = b->slots + row->slot;
    float *logits = b->work.logits + (size_t)logits_row * b->work.logits_stride;
    const int32_t vocab_size = b->decoder.vocab_size, next = row->position + 1;
    if (s->reading >= 0) {
        judge(logits, vocab_size, s->ids[next], s->readings + next, s->reading, s->alternatives + (size_t)next * s->reading);
        return;
    }
    Candidate *candidates = b->candidates + (size_t)thread_number() * vocab_size;
    Word *word = b->spelling.words.count ? &s->word : NULL;
    if (word)
        word_favour(word, logits);
    s->ids[next] = draw(logits, vocab_size, s->seen, &s->sampling, next - s->given, candidates, word);
    if (word)
        word_add(word, s->ids[next]);
    if (s->sampling.repetition_penalty != 1)
        s->seen[s->ids[next]] = 1;
}

#ifdef _OPENMP
#include <omp.h>
static int32_t thread_number(void) { return omp_get_thread_num(); }
#else
static int32_t thread_number(void) { return 0; }
#endif

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Threads that are as many as the cores stay on one each: woken beside another, one would wait for the other's core while its
 * own is idle. With fewer the system chooses. */
static void keep_apart(int32_t threads) {
#ifdef __linux__
    static __thread int apart;
    static cpu_set_t cores;
    static int known;
#pragma omp single
    if (!known) {
        sched_getaffinity(0, sizeof cores, &cores);
        known = 1;
    }
    const int wanted = threads > 1 && threads == CPU_COUNT(&cores);
    if (wanted == apart)
        return;
    apart = wanted;
    cpu_set_t own = cores;
    if (wanted) {
        int32_t skip = thread_number();
        for (int core = 0; core < CPU_SETSIZE; core++)
            if (CPU_ISSET(core, &cores) && skip--)
                CPU_CLR(core, &own);
    }
    sched_setaffinity(0, sizeof own, &own);
#else
    (void)threads;
#endif
}

/* One step; 1 when somebody waits for what it gave. */
static int step(Batch *b, int32_t threads) {
    int32_t wanted, urgent = 0;
    const int32_t count = gather(b, &wanted);
    forward(&b->decoder, &b->cache, &b->work, b->rows, count, wanted, threads);
#pragma omp parallel for num_threads(threads) if (threads > 1 && wanted > 1)
    for (int32_t i = 0; i < wanted; i++)
        settle(b, i);
    for (int32_t i = 0; i < count; i++) {
        Slot *s = b->slots + b->rows[i].slot;
        s->read = b->rows[i].position + 1;
        if (s->read < s->known)
            continue;
        if (s->reading >= 0) {
            s->active = 0;
            urgent = 1;
            continue;
        }
        s->known++;
        urgent |= s->known - s->given <= FIRST_WORD;
        if (s->ids[s->known - 1] == b->eos || s->known >= s->limit) {
            s->active = 0;
            urgent = 1;
        }
    }
    return urgent;
}

/* Steps until `seconds` have gone, a first word is there, a story has ended, or something comes by the file `wake`. */
void batch_run(Batch *b, double seconds, int32_t threads, int wake) {
    threads = threads < b->threads ? threads : b->threads;
#pragma omp parallel num_threads(threads) if (threads > 1)
    keep_apart(threads);
    const double end = now() + seconds;
    struct pollfd waiting = {wake, POLLIN, 0};
    for (;;) {
        int active = 0;
        for (int32_t i = 0; i < b->slot_count; i++)
            active |= b->slots[i].active;
        if (!active || step(b, threads) || now() >= end || poll(&waiting, 1, 0) > 0)
            return;
    }
}

/* What a story has that was not told, at most the context: its number, and whether it goes on. */
int32_t batch_read(Batch *b, int32_t slot, int32_t *ids, int32_t *active) {
    Slot *s = b->slots + slot;
    const int32_t count = s->known - s->told;
    memcpy(ids, s->ids + s->told, count * sizeof *ids);
    s->told = s->known;
    *active = s->active;
    return count;
}

const Reading *batch_readings(const Batch *b, int32_t slot) { return b->slots[slot].readings; }

const Candidate *batch_alternatives(const Batch *b, int32_t slot) { return b->slots[slot].alternatives; }
