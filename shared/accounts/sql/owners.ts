/**
 * SQL: the id of the user who gets emails about what a tenant owns: the user, or an owner of the
 * team. Null for the operator.
 *
 * @param tenant the column that names the tenant
 */
export const ownerOfTenant = (tenant: string): string => `iif(${tenant} LIKE 'team:%',
  (SELECT MIN(m.user_id) FROM team_members m
   WHERE m.team_id = substr(${tenant}, 6) AND m.role = 'owner'),
  iif(${tenant} LIKE 'user:%', substr(${tenant}, 6), NULL))`;
