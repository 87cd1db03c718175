"""Attachments: uploads, the signed URLs of files, the check of their content, and the text of PDFs."""
