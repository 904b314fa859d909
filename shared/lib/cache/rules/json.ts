/**
 * The place of the first part of a value that JSON does not keep, such as `list.1.at`; null if it
 * keeps all. A property that is undefined counts as absent. A key that is no name of a field may be
 * personal data and is shown as `*`.
 */
export function lostInJson(value: unknown): string | null {
  const path = find(value, new Set());
  if (path === null) return null;
  return path.length === 0 ? "value" : path.map(shown).join(".");
}

const shown = (name: string): string => (/^[A-Za-z_$][\w$]{0,40}$|^\d+$/.test(name) ? name : "*");

/** @param within the objects around it: JSON has no cycles */
function find(value: unknown, within: Set<object>): string[] | null {
  switch (typeof value) {
    case "string":
    case "boolean":
      return null;
    case "number":
      return Number.isFinite(value) ? null : [];
    case "object":
      return value === null ? null : inObject(value, within);
    case "bigint":
    case "function":
    case "symbol":
    case "undefined":
      return [];
  }
}

function inObject(value: object, within: Set<object>): string[] | null {
  if (within.has(value) || !isPlain(value)) return [];
  within.add(value);
  const found = Array.isArray(value) ? inList(value, within) : inFields(value, within);
  within.delete(value);
  return found;
}

function inList(list: readonly unknown[], within: Set<object>): string[] | null {
  for (let n = 0; n < list.length; n += 1) {
    const path = find(list[n], within);
    if (path !== null) return [String(n), ...path];
  }
  return Object.keys(list).length === list.length ? null : [];
}

function inFields(fields: object, within: Set<object>): string[] | null {
  for (const [name, inner] of Object.entries(fields)) {
    const path = inner === undefined ? null : find(inner, within);
    if (path !== null) return [name, ...path];
  }
  return null;
}

/** Whether it is a list, or an object of no class, which JSON returns as such. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) return prototype === Array.prototype;
  return (
    (prototype === Object.prototype || prototype === null) &&
    !("toJSON" in value) &&
    Object.getOwnPropertySymbols(value).length === 0
  );
}
