/* Declarations of what metal.m uses of Foundation, to compile it where there is no Mac: for the macOS link against real
 * Darwin headers, and on Linux with GNUstep behind them. tests/gpu/metal/signatures.py compares them with Apple's. */
#ifndef FM_STUB_FOUNDATION_H
#define FM_STUB_FOUNDATION_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__APPLE__)
#include <objc/objc.h>
#else
typedef struct objc_class *Class;
typedef struct objc_object *id;
typedef const struct objc_selector *SEL;
typedef unsigned char BOOL; /* of GCC's runtime */
#define YES ((BOOL)1)
#define NO  ((BOOL)0)
#define nil ((void *)0)
#endif

typedef long NSInteger;
typedef unsigned long NSUInteger;

__attribute__((objc_root_class))
@interface NSObject
+ (instancetype)new;
@end

@protocol NSObject
- (BOOL)respondsToSelector:(SEL)selector;
@end

@class NSArray<Type>, NSDictionary, NSError;

typedef NSUInteger NSStringEncoding;
enum { NSUTF8StringEncoding = 4 };

@interface NSString : NSObject
+ (instancetype)stringWithUTF8String:(const char *)text;
+ (instancetype)stringWithFormat:(NSString *)format, ...;
+ (instancetype)stringWithContentsOfFile:(NSString *)path encoding:(NSStringEncoding)encoding error:(NSError **)error;
- (NSString *)stringByAppendingString:(NSString *)other;
- (const char *)UTF8String;
@end
/* String literals. */
#if defined(__APPLE__)
extern int __CFConstantStringClassReference[];
#else
@interface NSConstantString : NSString {
    const char *const text;
    const unsigned length;
}
@end
#endif

@interface NSURL : NSObject
+ (NSURL *)fileURLWithPath:(NSString *)path;
- (NSString *)path;
@end

@interface NSError : NSObject
@property(readonly) NSInteger code;
@property(readonly, copy) NSString *localizedDescription;
@property(readonly, copy) NSDictionary *userInfo;
@end

@interface NSDictionary : NSObject
- (id)objectForKey:(id)key;
@end

typedef struct {
    unsigned long state;
    id __unsafe_unretained *itemsPtr;
    unsigned long *mutationsPtr;
    unsigned long extra[5];
} NSFastEnumerationState;

@interface NSArray<Type> : NSObject
+ (instancetype)arrayWithObjects:(const Type *)objects count:(NSUInteger)count;
- (NSUInteger)countByEnumeratingWithState:(NSFastEnumerationState *)state
                                  objects:(id __unsafe_unretained[])objects
                                    count:(NSUInteger)count;
@end

@interface NSMutableArray<Type> : NSArray <Type>
- (void)addObject:(Type)object;
- (void)removeObject:(Type)object;
@end

#endif
