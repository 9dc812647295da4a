import type { Listing } from "../base/listing.ts";
import type { Page } from "./engine.ts";
import { PAGE_LIMITS } from "./store.ts";

/** What a listing gives, up to the limits of a page. */
export async function firstPage<T, Place>(
  listing: Listing<T>,
  look: (item: T) => { place: Place; bytes: number },
): Promise<Page<T, Place>> {
  const items: T[] = [];
  let bytes = 0;
  let after: Place | undefined;
  for await (const page of listing.pages()) {
    for (const item of page) {
      const seen = look(item);
      items.push(item);
      bytes += seen.bytes;
      after = seen.place;
    }
    if (items.length >= PAGE_LIMITS.entries || bytes >= PAGE_LIMITS.bytes) return { items, after };
  }
  return { items, after: undefined };
}
