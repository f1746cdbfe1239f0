/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The XML that servers answer with, as a walk over a document in memory: elements, texts, nothing
 * else. Attributes, comments and instructions are stepped over; a document type is refused, so an
 * entity can only be one of the five of XML or a character's number, and nothing can grow.
 * docs/decisions/0019-xml.md says why it is here. Not for documents of other kinds.
 */
#ifndef TM_STORE_XML_H
#define TM_STORE_XML_H

#include "base/buf.h"

#define TM_XML_DEPTH_MAX 16u

typedef enum tm_xml_kind {
    TM_XML_START, /* name: of the element without its prefix */
    TM_XML_END,   /* same; text: what stood in it since its start or its last child's end */
    TM_XML_DONE,  /* the document is whole */
    TM_XML_BAD    /* it is not XML of this kind, too deep, or memory ran out */
} tm_xml_kind;

typedef struct tm_xml {
    const char *start, *p, *end;
    uint32_t depth; /* open elements */
    tm_str open[TM_XML_DEPTH_MAX];
    bool is_closing; /* <a/>: its end comes next */
    bool has_root;
    tm_str name;       /* view into the document */
    tm_buf text;       /* decoded UTF-8, valid until the next call */
    const char *fault; /* of TM_XML_BAD: what is wrong; static */
} tm_xml;

/** Walk over a document that stays as it is until tm__xml_done(). */
void tm__xml_init(tm_xml *xml, tm_str document);
tm_xml_kind tm__xml_next(tm_xml *xml);
/** Name of an open element, from 0 (the root); the empty text past the last. */
tm_str tm__xml_open(const tm_xml *xml, uint32_t depth);
void tm__xml_done(tm_xml *xml);

#endif
