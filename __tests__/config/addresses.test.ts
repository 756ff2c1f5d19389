import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { createKeys, segment, variantHash } from "../../src/keys.ts";
import { addressIdentity } from "../../src/request.ts";

const keys = createKeys("");
const keyOf = (address: string) => keys.rateLimit("api", [addressIdentity(address)]);

describe("an address in a key", () => {
  it("is IPv4 where it was mapped into IPv6", () => {
    expect(keyOf("192.168.1.1")).toBe("ratelimit:api:192.168.1.1");
    expect(keyOf("::ffff:192.168.1.1")).toBe("ratelimit:api:192.168.1.1");
    expect(keyOf("::FFFF:192.168.1.1")).toBe("ratelimit:api:192.168.1.1");
    expect(keyOf("::ffff:c0a8:101")).toBe("ratelimit:api:192.168.1.1");
  });

  it("is cut to its /56 where it is IPv6", () => {
    expect(keyOf("2001:db8:1:200::1")).toBe(keyOf("2001:db8:1:2ff:ffff:ffff:ffff:ffff"));
    expect(keyOf("2001:db8:1:200::1")).not.toBe(keyOf("2001:db8:1:300::1"));
    expect(keyOf("2001:db8:1:200::1").split(":")).toHaveLength(3);
    expect(keyOf("fe80::1%eth0")).toBe(keyOf("fe80::2"));
  });
});

describe("a cached resource and a variant of another", () => {
  it("never share a key", () => {
    const text = fc.string({ unit: "binary", maxLength: 300 });
    fc.assert(
      fc.property(text, fc.array(text, { maxLength: 3 }), (value, parts) => {
        const variant = keys.cacheVariant(keys.cache(["brand"]), variantHash(parts));
        expect(keys.cache(["brand", segment(value)])).not.toBe(variant);
      }),
    );
  });
});
