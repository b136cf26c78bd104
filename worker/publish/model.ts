/** What the publication's code and its callers say to each other. All of it is JSON, and small: contents stay in the upload. */

/** A file that was uploaded. */
export interface UploadedFile {
  /** Relative, with slashes. */
  readonly path: string;
  readonly bytes: number;
}

/** The input of a publication. */
export interface PublishRequest {
  /** Names the object that holds the contents. */
  readonly uploadId: string;
  readonly files: readonly UploadedFile[];
  /** How long to wait for the approval, in ms. */
  readonly approvalTimeoutMs: number;
}

/** A file with all that was found out about it. */
export interface PublishedFile extends UploadedFile {
  readonly gzipBytes: number;
  /** Of the content, in lower-case hex: what `sha256sum` prints. */
  readonly sha256: string;
}

/** The payload of the approval event. */
export interface Decision {
  readonly approved: boolean;
  readonly by: string;
  readonly reason?: string;
}

/** What a publication comes to when it is approved. */
export interface Manifest {
  readonly status: "published";
  readonly publication: string;
  readonly publishedAt: string;
  readonly approvedBy: string;
  readonly totals: { readonly files: number; readonly bytes: number; readonly gzipBytes: number };
  readonly files: readonly PublishedFile[];
}

/** What it comes to otherwise; its files are deleted. */
export interface Refusal {
  readonly status: "rejected" | "expired";
  readonly publication: string;
  readonly rejectedBy?: string;
  readonly reason?: string;
}

/** The custom status. */
export interface Progress {
  readonly phase:
    | "reserving"
    | "processing"
    | "awaiting approval"
    | "writing manifest"
    | "discarding"
    | "published"
    | "rejected"
    | "expired";
  /** Files that are done. */
  readonly done: number;
  readonly total: number;
}
