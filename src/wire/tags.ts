/**
 * The first byte of an encoded value.
 *
 * 00..7F the numbers 0 to 127 · 80..8F for extensions · 90..97 an array of 0 to 7 elements · 98..9F
 * an object of 0 to 7 properties · A0..BF text of 0 to 31 bytes of UTF-8 · C0..DF below · E0..FF the
 * numbers -32 to -1. A value may be written in more than one way; every way that is well-formed is
 * read.
 */
export const TAG = {
  extension: 0x80,
  shortArray: 0x90,
  shortObject: 0x98,
  shortText: 0xa0,
  null: 0xc0,
  undefined: 0xc1,
  false: 0xc2,
  true: 0xc3,
  /** u8 */
  u8: 0xc4,
  /** four bytes */
  i32: 0xc5,
  f64: 0xc6,
  /** a `Writer.string` */
  string: 0xc7,
  /** varint count, then the values */
  array: 0xc8,
  /** varint count, then name and value of each property */
  object: 0xc9,
  /** varint size, then the bytes */
  bytes: 0xca,
  /** u8 class (see `views.ts`), varint size in bytes, then the bytes, little-endian */
  view: 0xcb,
  /** eight bytes, two's complement */
  bigint64: 0xcc,
  /** varint size, then the magnitude, most significant byte first */
  positiveBigint: 0xcd,
  negativeBigint: 0xce,
  /** f64 milliseconds; NaN is an invalid date */
  date: 0xcf,
  /** varint size, then the path's key */
  path: 0xd0,
  /** an `ErrorRecord`, as a value */
  error: 0xd1,
  /** as `view`, but the bytes are beside the message: its next attachment */
  attached: 0xd2,
  negativeInts: 0xe0,
} as const;

export const MAX_SHORT_ITEMS = 7;
export const MAX_SHORT_TEXT = 31;
