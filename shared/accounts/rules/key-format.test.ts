import fc from "fast-check";
import { expect, it } from "vitest";
import { composeKey, keyKinds, randomText, RANDOM_LENGTH, readKey } from "./key-format.ts";

const random = fc
  .uint8Array({ minLength: 200, maxLength: 200 })
  .map((bytes) => randomText(bytes).slice(0, RANDOM_LENGTH))
  .filter((text) => text.length === RANDOM_LENGTH);
const kind = fc.constantFrom(...keyKinds);

it("the kind of a key is read from its text", () => {
  fc.assert(
    fc.property(random, kind, (text, of) => {
      const { key, prefix } = composeKey("luna", of, text);
      expect(readKey(key)).toBe(of);
      expect(key.startsWith(prefix)).toBe(true);
      expect(prefix).toHaveLength(`luna_${of}_`.length + 7);
    }),
  );
});

it("a key with one other character, or of another kind, is mistyped", () => {
  fc.assert(
    fc.property(random, kind, fc.nat(48), fc.constantFrom("a", "B", "7"), (text, of, at, by) => {
      const { key } = composeKey("luna", of, text);
      const place = `luna_${of}_`.length + at;
      const changed = key.slice(0, place) + by + key.slice(place + 1);
      fc.pre(changed !== key);
      expect(readKey(changed)).toBe("mistyped");
      const other = keyKinds.find((one) => one !== of) ?? of;
      expect(readKey(key.replace(`_${of}_`, `_${other}_`))).toBe("mistyped");
    }),
  );
});

it("the first key of a user, which is 43 characters after the product, has another form", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const text = Buffer.from(bytes).toString("base64url");
      expect(readKey(`luna_${text}`)).toBe("other");
      expect(readKey(`luna_live_${text}`.slice(0, 48))).toBe("other");
    }),
  );
});
