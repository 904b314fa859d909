/** The cache keys of templates. Pure. No other file builds them. */

/** Of which versions a tenant has published; also its tag. */
export const publishedKey = (tenant: string): string => `email_template:of:${tenant}`;
/** Of a version, which never changes. */
export const versionKey = (id: string): string => `email_template:${id}`;
