import * as expired from "../../../shared/email/sql/expired-files.ts";
import * as files from "../../../shared/email/sql/files.ts";
import { acceptEach, rereadVerdicts } from "../../../shared/email/sql/submissions.ts";
import { LIMIT, now, own, type Cases } from "./cases.ts";

/** The statements of uploaded files, and of emails that name them. */

const tenant = `user:${own.user}`;
const upload = {
  id: "file-new",
  tenant,
  filename: "a.txt",
  contentType: "text/plain",
  sizeBytes: 1,
  createdAt: now,
  expiresAt: now + 1,
};
const stored = { ...upload, id: "file-stored", sha256: "0" };
const naming = (id: string) => ({
  id,
  tenant,
  from: "a@b.cc",
  to: own.address,
  recipients: [{ kind: "to" as const, name: "", address: own.address }],
  subject: "Hi",
  onUnknown: "hold" as const,
  attachments: [{ id: own.file }],
  files: { tenant, ids: [own.file], roomBytes: 1_000 },
  key: null,
});

export const fileCases: Cases = {
  insertFile: (db) => files.insertFile(db, upload),
  hasFile: (db) => files.hasFile(db, upload.id),
  markStored: (db) => files.markStored(db, { id: upload.id, sha256: "0" }, null, now),
  findStored: (db) => files.findStored(db, upload.id),
  isStored: (db) => files.isStored(db, upload.id),
  expireUpload: (db) => files.expireUpload(db, upload.id, now),
  markDeleting: (db) => expired.markDeleting(db, now - 1, LIMIT),
  deleteFiles: (db) => expired.deleteFiles(db, [{ id: "file-gone", createdAt: now }]),
  countExpiredFiles: (db) => expired.countExpiredFiles(db, now - 1, LIMIT),
  idsWithoutFile: (db) => expired.idsWithoutFile(db, [own.file, "file-gone"]),
  "acceptEach: with files": (db) => acceptEach(db, [naming("email-with-file")], now, []),
  "acceptEach: with a file that came within": (db) =>
    acceptEach(db, [{ ...naming("email-with-own-file"), newFiles: [stored] }], now, []),
  "rereadVerdicts: with files": (db) => rereadVerdicts(db, [naming("email-with-file")], now),
};
