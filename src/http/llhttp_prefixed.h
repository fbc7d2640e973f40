/* llhttp, with its method names out of the way: HTTP_GET and the like are also ours (http.h). */
#ifndef FEATURED_HTTP_LLHTTP_PREFIXED_H
#define FEATURED_HTTP_LLHTTP_PREFIXED_H

#define HTTP_DELETE LLHTTP_DELETE
#define HTTP_GET LLHTTP_GET
#define HTTP_HEAD LLHTTP_HEAD
#define HTTP_POST LLHTTP_POST
#define HTTP_PUT LLHTTP_PUT
#define HTTP_OPTIONS LLHTTP_OPTIONS
#include <llhttp.h>
#undef HTTP_DELETE
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST
#undef HTTP_PUT
#undef HTTP_OPTIONS

#endif
