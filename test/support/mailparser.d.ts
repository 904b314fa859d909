declare module "mailparser" {
  type Addresses = { value: { name: string; address?: string }[] };
  export type ParsedMail = {
    subject?: string;
    from?: Addresses;
    to?: Addresses;
    text?: string;
    html: string | false;
    date?: Date;
    messageId?: string;
    attachments: {
      filename?: string;
      content: Buffer;
      headers: Map<string, { value: string; params: Record<string, string> }>;
    }[];
  };
  type Options = { skipHtmlToText?: boolean; skipTextToHtml?: boolean; skipTextLinks?: boolean };
  export function simpleParser(source: Buffer, options?: Options): Promise<ParsedMail>;
}
