import { expect, it } from "vitest";
import { readRoles, roleOfGroups } from "./access-roles.ts";

it("reads each group with its role, also a group whose name has an equals sign", () => {
  expect(readRoles("admins=admin, cn=ops,dc=x=support")).toBeNull();
  expect(readRoles("admins=admin, cn=ops=support ,*=viewer")).toEqual([
    { group: "admins", role: "admin" },
    { group: "cn=ops", role: "support" },
    { group: "*", role: "viewer" },
  ]);
});

it.each(["admins", "admins=", "=admin", "admins=root", "admins=admin,"])(
  "%j names no roles",
  (text) => {
    expect(readRoles(text)).toBeNull();
  },
);

it("the strongest role of the groups counts; everyone has that of the star", () => {
  const roles = readRoles("ops=support,admins=admin,*=viewer") ?? [];
  expect(roleOfGroups(roles, [])).toBe("viewer");
  expect(roleOfGroups(roles, ["ops"])).toBe("support");
  expect(roleOfGroups(roles, ["ops", "admins"])).toBe("admin");
  expect(roleOfGroups(readRoles("ops=support") ?? [], ["others"])).toBeNull();
  expect(roleOfGroups([], [])).toBe("admin");
});
