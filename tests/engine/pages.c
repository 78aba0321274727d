/* numpy's memory, for tests: each block ends at a page that nobody may touch, and no page is used twice.

   A write past a block's end, and any use of a block that has been freed, ends the process at that very instruction. Bytes
   before a block and the up to 15 after it that alignment leaves are looked at when it is freed. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, UNSET = 0xA5 };

typedef struct { size_t size, span; } Head; /* in a page of its own, before the data's */

static char *arena;
static const size_t arena_size = (size_t)1 << 44; /* addresses, not memory */
static _Atomic size_t used;

static void fail(const char *what, size_t size) {
    fprintf(stderr, "pages: %s, a block of %zu bytes\n", what, size);
    abort();
}

int pages_begin(void) {
    arena = mmap(NULL, arena_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return arena != MAP_FAILED;
}

static size_t rounded(size_t size) { return size ? (size + 15) & ~(size_t)15 : 16; }

static int is_ours(const void *p) { return (const char *)p >= arena && (const char *)p < arena + arena_size; }

static Head *head_of(void *p) { return (Head *)(((uintptr_t)p & ~(uintptr_t)(PAGE - 1)) - PAGE); }

static void *take(size_t size) {
    size_t bytes = rounded(size), pages = (bytes + PAGE - 1) / PAGE * PAGE, span = PAGE + pages + PAGE;
    size_t at = atomic_fetch_add(&used, span);
    if (at + span > arena_size) fail("no addresses left", size);
    Head *head = (Head *)(arena + at);
    if (mprotect(head, PAGE + pages, PROT_READ | PROT_WRITE)) fail("the system gives no more regions (vm.max_map_count)", size);
    head->size = size;
    head->span = span;
    char *data = arena + at + PAGE + pages - bytes;
    memset(data, UNSET, bytes);
    return data;
}

void *pages_malloc(void *context, size_t size) { (void)context; return take(size); }

void *pages_calloc(void *context, size_t count, size_t size) {
    (void)context;
    void *data = take(count * size);
    return memset(data, 0, count * size);
}

void pages_free(void *context, void *p, size_t size) {
    (void)context, (void)size;
    if (!p) return;
    if (!is_ours(p)) { free(p); return; } /* from before `pages_begin` */
    Head *head = head_of(p);
    unsigned char *data = p;
    for (size_t i = head->size; i < rounded(head->size); i++)
        if (data[i] != UNSET) fail("written to after its end", head->size);
    for (unsigned char *before = (unsigned char *)(head + 1); before < data; before++)
        if (*before) fail("written to before its beginning", head->size);
    if (mmap(head, head->span - PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        fail("its pages could not be given back", head->size);
}

void *pages_realloc(void *context, void *p, size_t size) {
    if (p && !is_ours(p)) return realloc(p, size);
    void *data = take(size);
    if (p) {
        size_t before = head_of(p)->size;
        memcpy(data, p, before < size ? before : size);
        pages_free(context, p, before);
    }
    return data;
}
