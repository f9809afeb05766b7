/** What a token allows. Each role may do what the one before it may. */
export const ACCESS_ROLES = ["viewer", "operator", "admin"] as const;
export type AccessRole = (typeof ACCESS_ROLES)[number];

export function isAllowed(has: AccessRole, needed: AccessRole): boolean {
  return ACCESS_ROLES.indexOf(has) >= ACCESS_ROLES.indexOf(needed);
}
