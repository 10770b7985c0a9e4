FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# docker build --build-arg COMMIT=$(git rev-parse HEAD) . lets recallbot version name the commit.
ARG COMMIT=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X recallbot/adapters/console.commit=$COMMIT" -o /out/recallbot . && mkdir -p /out/data && mkdir -m 1777 /out/tmp
# The licences of everything that is linked in.
RUN go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' . | sort -u | \
    while read -r path version dir; do \
      printf '\n==== %s %s\n\n' "$path" "$version"; \
      find "$dir" -maxdepth 1 -type f \( -iname 'LICEN[CS]E*' -o -iname 'COPYING*' -o -iname 'NOTICE*' \) -exec cat {} +; \
    done > /out/THIRD_PARTY_NOTICES && cat "$(go env GOROOT)/LICENSE" >> /out/THIRD_PARTY_NOTICES

# Nothing but the program and the certificates of the builder: an image without a version of its own could change beneath it.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/recallbot /recallbot
COPY --from=build /out/THIRD_PARTY_NOTICES /THIRD_PARTY_NOTICES
COPY --from=build --chown=65532:65532 /out/data /data
# The demo, the practice ground and SQLite's sorting write temporary files.
COPY --from=build --chown=65532:65532 /out/tmp /tmp
USER 65532:65532
WORKDIR /data
VOLUME /data
ENV DATABASE_URL=sqlite:/data/recallbot.db
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=4s --start-period=10s CMD ["/recallbot", "health"]
ENTRYPOINT ["/recallbot"]
