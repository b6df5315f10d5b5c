/* What clang's ARC asks of a runtime, for GCC's libobjc: clang emits it for GNUstep's own runtime (ABI 1.5), which
 * Debian does not have. Not built with ARC itself. */
#import <Foundation/Foundation.h>

#include <dlfcn.h>
#include <objc/message.h>

/* A module registers itself. One without classes, as metal.m is, has the same form in both runtimes but for its version
 * and a field at the end. */
typedef struct module {
    unsigned long version, size;
    const char *name;
    void *symbols;
} module;
void __objc_exec_class(module *m);
void __objc_exec_class(module *m) {
    void (*exec)(module *) = (void (*)(module *))dlsym(RTLD_NEXT, "__objc_exec_class");
    m->version = 8;
    m->size = sizeof *m;
    exec(m);
}

typedef struct slot { /* of GNUstep's runtime: where a message goes */
    Class owner, cached_for;
    const char *types;
    int version;
    IMP method;
} slot;

slot *objc_msg_lookup_sender(id *receiver, SEL selector, id sender) {
    static _Thread_local slot found;
    (void)sender;
    found.method = objc_msg_lookup(*receiver, selector);
    return &found;
}

id objc_retain(id object) {
    return [object retain];
}

void objc_release(id object) {
    [object release];
}

id objc_autorelease(id object) {
    return [object autorelease];
}

id objc_retainAutoreleasedReturnValue(id object) {
    return [object retain];
}

id objc_autoreleaseReturnValue(id object) {
    return [object autorelease];
}

void objc_storeStrong(id *place, id object) {
    id before = *place;
    *place = [object retain];
    [before release];
}
